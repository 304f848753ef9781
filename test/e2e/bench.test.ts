// @module-tag db
// @module-tag kafka
// @module-tag slow

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, inject, it } from 'vitest';

const bench = fileURLToPath(new URL('../../bench/run.ts', import.meta.url));
const brokers = inject('kafkaBrokers');
const postgresUrl = inject('postgresUrl');

// The bench itself fails when an outcome is missing or there twice. No test judges its speed.
describe.skipIf(!brokers || !postgresUrl)('a short bench', () => {
  it('measures every case, and finds exactly one outcome for each command', async () => {
    const options = [
      '--commands',
      '2000',
      '--runs',
      '1',
      '--seconds',
      '1',
      '--peers',
      'twin,kafkajs-per-message',
      '--json',
    ];
    const env = {
      ...process.env,
      TEST_KAFKA_BROKERS: String(brokers),
      TEST_POSTGRES_URL: String(postgresUrl),
    };
    const { stdout } = await promisify(execFile)(process.execPath, [bench, ...options], { env });
    const { rows } = JSON.parse(stdout) as {
      rows: { name: string; contender: string; runs: Record<string, number>[] }[];
    };
    expect(rows.map(({ name, contender }) => `${name}: ${contender}`)).toEqual([
      'throughput: the service',
      'throughput: hand-written twin',
      'throughput: kafkajs per message',
      'latency-50: the service',
      'latency-50: hand-written twin',
      'latency-50: kafkajs per message',
      'latency-1000: the service',
      'latency-1000: hand-written twin',
      'spread: the service',
      'flatness: the service',
      'hot-sku: the service',
      'five-lines: the service',
      'duplicates: the service',
      'out-of-stock: the service',
      'pages: the service',
      'postgresql: the service',
      'embedded: the service',
      'rebuild: the service',
      'start-up: the service',
    ]);
    const measured = rows.map(
      ({ runs }) =>
        runs[0]?.commandsPerSecond ??
        runs[0]?.p50Ms ??
        runs[0]?.eventsPerSecond ??
        runs[0]?.readyMs ??
        0,
    );
    expect(measured.filter((figure) => figure <= 0)).toEqual([]);
  }, 300_000);
});
