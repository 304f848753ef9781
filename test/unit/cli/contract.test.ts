import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { addContract } from '../../../src/cli/contract.ts';
import { UsageError } from '../../../src/cli/errors.ts';
import { asyncApiDocument } from '../../../src/contract/asyncapi.ts';
import { openApi } from '../../../src/contract/openapi.ts';
import { capturePrinted } from '../../support/printed-output.ts';

const asYaml = (document: object) => stringify(document, { aliasDuplicateObjects: false });

/** The contract of a former release that allowed less, or more. */
const formerWith = (quantity: object) => {
  const document = structuredClone(asyncApiDocument('1.2.3'));
  Object.assign(
    document.components.schemas['ChangeBatchQuantity.v1']?.properties as object,
    quantity,
  );
  return asYaml(document);
};
const narrower = formerWith({ quantity: { type: 'integer', minimum: 0, maximum: 9 } });
const wider = formerWith({ quantity: {} });

describe('npx allocation contract diff', () => {
  const printed = capturePrinted();
  let directory: string;
  let server: Server;
  let url: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-contract-'));
    server = createServer(({ url }, response) => {
      if (url !== '/asyncapi.yaml') response.statusCode = 404;
      response.end(narrower);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    process.exitCode = undefined;
  });
  afterAll(async () => {
    server.close();
    await rm(directory, { recursive: true });
  });

  const run = (...args: readonly string[]) => {
    const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
    addContract(program);
    return program.parseAsync(['node', 'allocation', 'contract', 'diff', ...args]);
  };
  const file = async (text: string) => {
    const path = join(directory, 'former.yaml');
    await writeFile(path, text);
    return path;
  };

  it('says that nothing has changed', async () => {
    await run(await file(asYaml(asyncApiDocument('1.2.3'))));
    expect(printed.text).toContain('The contract is the same as in 1.2.3');
    expect(process.exitCode).toBeUndefined();
  });

  it('lists what breaks, names the version that is due, and exits with 1', async () => {
    await run(await file(wider));
    expect(printed.text).toMatch(/^breaks +commands\/ChangeBatchQuantity\.v1 +payload: quantity/m);
    expect(printed.text).toContain('After 1.2.3, the version 2.0.0 (major) is due');
    expect(process.exitCode).toBe(1);
  });

  it('exits with 0 if something is only added, as JSON from a URL', async () => {
    await run(`${url}/asyncapi.yaml`, '--json');
    expect(JSON.parse(printed.text)).toMatchObject({
      from: '1.2.3',
      due: 'minor',
      version: '1.3.0',
      changes: expect.arrayContaining([
        {
          effect: 'adds',
          where: 'commands/ChangeBatchQuantity.v1',
          text: 'payload: quantity: maximum was 9, is 9007199254740991',
          isAnnounced: false,
        },
      ]),
    });
    expect(process.exitCode).toBeUndefined();
  });

  it('compares routes and messages of a folder, and adds their changes', async () => {
    const folder = await mkdtemp(join(directory, 'released-'));
    const api = JSON.parse(JSON.stringify(await openApi()));
    const info = { ...api.info, version: '1.2.3' };
    await writeFile(join(folder, 'asyncapi.yaml'), narrower);
    const paths = { ...api.paths, '/customers': api.paths['/orders'] };
    await writeFile(join(folder, 'openapi.json'), JSON.stringify({ ...api, info, paths }));
    await run(folder);
    expect(printed.text).toMatch(/^adds +commands\/ChangeBatchQuantity\.v1 /m);
    expect(printed.text).toMatch(/^breaks +GET \/customers +the route is gone$/m);
    expect(printed.text).toContain('After 1.2.3, the version 2.0.0 (major) is due');
    expect(process.exitCode).toBe(1);
  });

  it('finds no change in the routes of this release', async () => {
    await run(await file(JSON.stringify(await openApi())));
    expect(printed.text).toContain('The contract is the same as in ');
    expect(process.exitCode).toBeUndefined();
  });

  it.each([
    ['a folder without a contract', () => directory, /asyncapi\.yaml cannot be read/],
    ['a missing file', () => '/dev/null/none', /cannot be read/],
    ['another document', () => file('openapi: 3.1.0'), /cannot be compared/],
    ['a missing page', () => `${url}/other`, /answers 404/],
    ['an unreachable server', () => 'http://127.0.0.1:9/asyncapi.yaml', /cannot be reached/],
  ])('refuses %s as wrong usage', async (_, place, message) => {
    const outcome = run(await place());
    await expect(outcome).rejects.toThrow(UsageError);
    await expect(outcome).rejects.toThrow(message);
  });
});
