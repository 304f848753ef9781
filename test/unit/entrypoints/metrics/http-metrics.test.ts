import Fastify from 'fastify';
import { expect, it } from 'vitest';
import { Metrics } from '../../../../src/entrypoints/metrics/metrics.ts';
import { scrape } from '../../../support/metrics.ts';

it('requests are counted by route and status, whatever their paths say', async () => {
  const metrics = new Metrics();
  const server = Fastify();
  server.addHook('onResponse', async (request, reply) => metrics.http.note(request, reply));
  server.get('/products/:sku', async (_request, reply) => reply.code(404).send());
  server.get('/events', async () => 'a stream');
  for (const url of ['/products/LAMP', '/products/%22%7D', '/events', '/nothing/at/all'])
    await server.inject({ method: 'GET', url });
  await server.inject({ method: 'DELETE', url: '/products/LAMP' });
  await server.close();
  const name = 'allocation_http_request';
  expect(await scrape(metrics, `${name}s_total`)).toEqual([
    `${name}s_total{method="GET",route="/products/:sku",status="404"} 2`,
    `${name}s_total{method="GET",route="/events",status="200"} 1`,
    `${name}s_total{method="GET",route="none",status="404"} 1`,
    `${name}s_total{method="DELETE",route="none",status="404"} 1`,
  ]);
  const counts = (await scrape(metrics, `${name}_duration_seconds_count`)).map((line) =>
    line.replace(`${name}_duration_seconds_count`, ''),
  );
  expect(counts).toEqual([
    '{method="GET",route="/products/:sku"} 2',
    '{method="GET",route="none"} 1',
    '{method="DELETE",route="none"} 1',
  ]);
});
