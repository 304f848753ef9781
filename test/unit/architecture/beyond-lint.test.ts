import { describe, expect, it } from 'vitest';
import { expectMatches } from '../../support/architecture/source-files.ts';

describe('the sources, beyond the lint rules', () => {
  it('have no exemption from the lint rules or the types', async () => {
    expect(
      await expectMatches('src/**/*.ts', /biome-ignore|@ts-(ignore|expect-error|nocheck)/g),
    ).toEqual([]);
  });

  it('have no import in another form, except in kafkajs-internals.ts', async () => {
    const otherForms = /\b(import|require)\s*\([^)]*\)/g;
    expect(
      await expectMatches(
        'src/{domain,messages,service-layer,adapters,entrypoints,dead-letters,replay}/**/*.ts',
        otherForms,
      ),
    ).toEqual(
      [
        'broker/saslAuthenticator/plain',
        'broker/saslAuthenticator/scram256',
        'broker/saslAuthenticator/scram512',
        'cluster',
        'loggers',
        'network/connection',
        'network/requestQueue',
        'network/socketFactory',
        'protocol/decoder',
        'protocol/encoder',
        'protocol/error',
        'protocol/requests/produce/v3/response',
      ].map(
        (name) => `src/adapters/broker/kafka/kafkajs-internals.ts: require('kafkajs/src/${name}')`,
      ),
    );
  });

  it("load only better-sqlite3 in SQLite's thread, which each process starts", async () => {
    const files = 'src/adapters/database/connection/sqlite-{worker,messages}.ts';
    const imports = await expectMatches(files, /^import (?!type ).*/gm);
    expect(imports.map((line) => / from '(.*)'/.exec(line)?.[1])).toEqual([
      'better-sqlite3',
      './sqlite-messages.ts',
      'node:worker_threads',
    ]);
  });

  it('use no clock, no randomness and no process in the domain', async () => {
    const outside = /\b(Date|Math\.random|crypto|performance|process|globalThis|setTimeout)\b/g;
    expect(await expectMatches('src/domain/**/*.ts', outside)).toEqual([]);
  });
});
