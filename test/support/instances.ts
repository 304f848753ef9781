import { expect } from 'vitest';
import { type CommandFlow, LANES, lanesAtWork } from './command-flow.ts';
import { eventually } from './eventually.ts';
import { checkHistory } from './judge/check-history.ts';
import type { ServiceProcess } from './service-process.ts';

/**
 * A busy machine takes seconds to start a process, and the session of a killed member lasts 6 more.
 */
const PATIENCE_MS = 90_000;
const LAST_LINES = 40;

/**
 * Resolves when each instance has lanes, and together they have all.
 * @throws when the time is up; the message ends with the last lines of the instances
 */
export async function sharedOut(instances: readonly ServiceProcess[]): Promise<void> {
  await eventually(
    async () => {
      const lanes = await Promise.all(instances.map(({ url }) => lanesAtWork(url)));
      const sum = lanes.reduce((all, count) => all + count, 0);
      if (sum !== LANES || lanes.includes(0))
        throw new Error(`The instances have ${lanes} working lanes\n${lastWords(instances)}`);
    },
    { withinMs: PATIENCE_MS },
  );
}

/**
 * Runs the step while commands flow: `commands` at first, and then a steady few until the step is
 * over.
 */
export async function underLoad(
  flow: CommandFlow,
  round: number,
  commands: number,
  step: () => Promise<void>,
): Promise<void> {
  let isOver = false;
  const sending = flow.send(round, commands, () => isOver);
  try {
    await step();
  } finally {
    isOver = true;
    await sending;
  }
}

/**
 * Sends SIGTERM.
 * @throws when the instance does not end in order
 */
export async function terminated(instance: ServiceProcess): Promise<void> {
  const exitCode = await instance.stop();
  if (exitCode !== 0)
    throw new Error(
      `After SIGTERM the instance ended with code ${exitCode}:\n${lastWords([instance])}`,
    );
}

/**
 * Waits until everything is answered, stops the instances, and expects that the judge finds nothing
 * lost and nothing repeated.
 */
export async function expectNothingWrong(
  flow: CommandFlow,
  instances: readonly ServiceProcess[],
  databaseUrl: string,
): Promise<void> {
  await eventually(async () => expect(await flow.lag(), lastWords(instances)).toBe(0), {
    withinMs: PATIENCE_MS,
  });
  await Promise.all(instances.map(terminated));
  const history = await flow.history(databaseUrl);
  expect(history.commands.length).toBeGreaterThanOrEqual(flow.sent);
  expect(checkHistory(history)).toEqual([]);
}

function lastWords(instances: readonly ServiceProcess[]): string {
  return instances.map(({ output }) => output.slice(-LAST_LINES).join('\n')).join('\n\n');
}
