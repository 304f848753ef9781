// @module-tag db
// @module-tag slow

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runSchemathesis, schemathesisOrSkip } from '../support/schemathesis.ts';
import { ServiceProcess } from '../support/service-process.ts';

/** What holds for every route. */
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'unsupported_method',
  'allow_header_conformance',
];
const EXAMPLES_OF_A_ROUTE = '30';

/** A stream never ends, and a batch with bad commands is answered command by command. */
const RUNS = [
  {
    routes: 'all routes but two',
    options: ['--exclude-path', '/events', '--exclude-path', '/commands'],
    checks: [...CHECKS, 'negative_data_rejection'],
  },
  { routes: 'POST /commands', options: ['--include-path', '/commands'], checks: CHECKS },
];

const program = await schemathesisOrSkip();

it.skipIf(program === null).each(RUNS)(
  'A request to $routes is answered as the OpenAPI document says',
  async ({ options, checks }) => {
    const folder = await mkdtemp(join(tmpdir(), 'allocation-'));
    try {
      const environment = { DATABASE_URL: 'sqlite:///./allocation.db', HTTP_RATE_LIMIT: '1000000' };
      await using service = await ServiceProcess.start(environment, folder);
      const args = ['run', `${service.url}/openapi.json`, '--no-color', '--continue-on-failure'];
      args.push('--checks', checks.join(','), '--phases', 'examples,coverage,fuzzing');
      args.push('--max-examples', EXAMPLES_OF_A_ROUTE, '--generation-deterministic');
      // This service has no tokens, so a request without one is a good request.
      args.push('--generation-with-security-parameters', 'false', ...options);
      const { code, output } = await runSchemathesis(program ?? '', args, folder);
      expect(code, output).toBe(0);
      const faults = service.output.filter((line) => line.includes('"A request failed"'));
      expect(faults).toEqual([]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  1_500_000,
);
