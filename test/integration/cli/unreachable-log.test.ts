// @module-tag db
// @module-tag slow

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { expectOneLine, outcomeOf, Shell } from '../../support/shell.ts';

// Each test starts several processes, on a machine that may have other work.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let shell: Shell;

beforeEach(async () => {
  shell = await Shell.open();
});

afterEach(() => shell.close());

describe('the command line by itself', () => {
  it.each([
    'publish CreateBatch reference=b sku=s quantity=1',
    'tail',
    'lag',
    'dead-letters list',
    'show order o',
  ])('cannot look into the memory of another process, and says so: %s', async (command) => {
    const result = await outcomeOf(
      shell.launch(command.split(' '), { DATABASE_URL: 'sqlite:///:memory:' }),
    );
    expect(result).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('memory of the service'),
    });
    expectOneLine(result);
  });

  it.each(['127.0.0.1:1', 'broker.invalid:9092'])(
    'a broker that is not there is an error, not a wait: %s',
    async (brokers) => {
      const results = await Promise.all(
        ['tail', 'lag'].map((command) =>
          outcomeOf(shell.launch([command], { KAFKA_BROKERS: brokers })),
        ),
      );
      for (const result of results) {
        expect(result).toMatchObject({
          code: 1,
          stdout: '',
          stderr: expect.stringContaining(brokers),
        });
        expectOneLine(result);
      }
    },
    30_000,
  );
});
