import { afterEach, expect, it } from 'vitest';
import { printAnswer } from '../../../src/cli/wait-for-answer.ts';
import { readConfig } from '../../../src/config.ts';
import type { Broker } from '../../../src/service-layer/broker.ts';
import { capturePrinted } from '../../support/printed-output.ts';

const printed = capturePrinted();
const command = { id: 'cmd-1', topic: 'allocation.commands', partition: 0, offset: 7 };
const TIMEOUT_SECONDS = 0.05;

/** A session whose service does not work: the committed offset stays below the command. */
const stalled = {
  config: readConfig({}),
  broker: { committedOffsets: async () => [7] } as unknown as Broker,
};

afterEach(() => {
  process.exitCode = undefined;
});

it('says what to do when a command is not answered in time', async () => {
  await expect(printAnswer(stalled, command, TIMEOUT_SECONDS, false)).rejects.toThrow(
    'The command is published, but not answered after 0.05 s: ' +
      '"npx allocation lag" shows whether the service works',
  );
  expect(printed.text).toBe('');
});

it('prints a command that is not answered in time as pending, with exit code 1', async () => {
  await printAnswer(stalled, command, TIMEOUT_SECONDS, true);
  expect(JSON.parse(printed.text)).toEqual({ ...command, status: 'pending' });
  expect(process.exitCode).toBe(1);
});
