import { type Command, Option } from 'commander';
import { jsonOption } from './output.ts';
import type { Action, Selection } from './resolve-dead-letters.ts';

/** `allocation dead-letters list|show|redrive|discard` */
export function addDeadLetters(program: Command): void {
  const deadLetters = program
    .command('dead-letters')
    .description('messages that could not be read or handled: look at them, send them again, or take them off the list')
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation dead-letters list
  $ npx allocation dead-letters show allocation.dead-letters/0/0
  $ npx allocation dead-letters redrive allocation.dead-letters/0/0
  $ npx allocation dead-letters discard --all`,
    );
  deadLetters
    .command('list')
    .description('the dead letters that wait, oldest first')
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  $ npx allocation dead-letters list\n  $ npx allocation dead-letters list --json | jq -r .id')
    .action(async ({ json }: { json: boolean }) => {
      const { listDeadLetters } = await import('./show-dead-letters.ts');
      await listDeadLetters(json);
    });
  deadLetters
    .command('show')
    .description('one dead letter whole: why it is one, its headers, its value as text or else in hexadecimal')
    .argument('<id>', 'its place, as list prints it')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  $ npx allocation dead-letters show allocation.dead-letters/0/0')
    .action(async (id: string, { json }: { json: boolean }) => {
      const { showDeadLetter } = await import('./show-dead-letters.ts');
      await showDeadLetter(id, json);
    });
  addResolving(deadLetters, 'redrive', 'send the original messages to the commands topic again; doing it twice changes nothing');
  addResolving(deadLetters, 'discard', 'take letters off the list without sending them');
}

function addResolving(deadLetters: Command, action: Action, description: string): void {
  deadLetters
    .command(action)
    .description(description)
    .argument('[ids...]', 'their places, as list prints them')
    .addOption(new Option('--all', 'every letter on the list').default(false))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `\nExamples:\n  $ npx allocation dead-letters ${action} allocation.dead-letters/0/0 allocation.dead-letters/2/5\n  $ npx allocation dead-letters ${action} --all`,
    )
    .action(async (ids: readonly string[], options: Omit<Selection, 'ids'>) => {
      const { resolveDeadLetters } = await import('./resolve-dead-letters.ts');
      await resolveDeadLetters(action, { ids, ...options });
    });
}
