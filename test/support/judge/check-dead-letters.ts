import type { Rule } from './rule.ts';

/**
 * Checks that a readable command is among the dead letters only if a handler may have failed on it,
 * or if it waits behind such a command.
 */
export const checkDeadLetters: Rule = ({ commands, allowances }, report) => {
  const { mayFail = () => false } = allowances;
  const hasFailed = commands.some(({ letter }) => letter?.reason === 'handler-failed');
  for (const command of commands) {
    const { place, id, letter } = command;
    if (!letter) continue;
    const isRight =
      letter.reason === 'handler-failed'
        ? mayFail(command)
        : letter.reason === 'parked-behind' && hasFailed;
    if (!isRight) report('dead-for-nothing', `${place} (${id}): ${letter.reason}`);
  }
};
