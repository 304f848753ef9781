import { type Command, Option } from 'commander';
import type { Action, Selection } from '../../dead-letters/plan.ts';
import { positive } from '../command-arguments.ts';
import { jsonOption } from '../output.ts';
import type { Manner } from './resolve.ts';

/** `allocation dead-letters list|show|redrive|discard` */
export function addDeadLetters(program: Command): void {
  const deadLetters = program
    .command('dead-letters')
    .description(
      'messages that could not be read or handled: look at them, send them again, or take them off the list',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation dead-letters list
  $ npx allocation dead-letters show allocation.dead-letters/0/0
  $ npx allocation dead-letters redrive --sku SMALL-TABLE
  $ npx allocation dead-letters redrive --sku SMALL-TABLE --execute`,
    );
  addFilters(deadLetters.command('list'))
    .description('the dead letters that wait, oldest first')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation dead-letters list
  $ npx allocation dead-letters list --reason handler-failed
  $ npx allocation dead-letters list --json | jq -r .id`,
    )
    .action(
      async ({ json, ...filters }: Omit<Selection, 'ids' | 'all'> & { readonly json: boolean }) => {
        const { listDeadLetters } = await import('./show.ts');
        await listDeadLetters(filters, json);
      },
    );
  deadLetters
    .command('show')
    .description(
      'one dead letter whole: why it is one, its headers, its value as text or else in hexadecimal',
    )
    .argument('<id>', 'its place, as list prints it')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExample:\n  $ npx allocation dead-letters show allocation.dead-letters/0/0',
    )
    .action(async (id: string, { json }: { json: boolean }) => {
      const { showDeadLetter } = await import('./show.ts');
      await showDeadLetter(id, json);
    });
  addResolving(
    deadLetters,
    'redrive',
    'send the messages to the commands topic again, each failed one with what is parked behind it; doing it twice changes nothing',
    `
Examples:
  $ npx allocation dead-letters redrive --sku SMALL-TABLE
  $ npx allocation dead-letters redrive --sku SMALL-TABLE --execute
  $ npx allocation dead-letters redrive --reason handler-failed --since 2026-11-25T18:00:00Z --execute
  $ npx allocation dead-letters redrive allocation.dead-letters/0/0 --execute \\
      --edit '{"type":"AllocateOrder","orderid":"order-1","sku":"SMALL-TABLE","qty":2}'`,
  )
    .addOption(
      new Option(
        '--edit <json>',
        'correct the one letter chosen: the command that is sent in its place, or @file; it has a new id',
      ),
    )
    .addOption(
      new Option(
        '--max-redrives <count>',
        'refuse a failed command that has been sent again so often',
      )
        .default(MAX_REDRIVES)
        .argParser(positive),
    );
  addResolving(
    deadLetters,
    'discard',
    'take letters off the list without sending them; what is parked behind a failed one is sent again',
    `
Examples:
  $ npx allocation dead-letters discard allocation.dead-letters/0/0
  $ npx allocation dead-letters discard allocation.dead-letters/0/0 --execute
  $ npx allocation dead-letters discard --reason malformed --execute`,
  );
}

/** Of a command that fails each time the cause is not the moment. */
const MAX_REDRIVES = 3;

function addFilters(command: Command): Command {
  return command
    .addOption(
      new Option('--reason <reason>', 'only those that are dead for this reason').choices(REASONS),
    )
    .addOption(new Option('--type <type>', 'only commands of this type'))
    .addOption(
      new Option(
        '--sku <sku>',
        'only failed or parked commands about this product, and what cannot be read with it as its key',
      ),
    )
    .addOption(
      new Option('--since <time>', 'only what failed then or later, e.g. 2026-11-25T18:00:00Z'),
    )
    .addOption(new Option('--id <id>', 'only the command with this id'))
    .addOption(new Option('--source <source>', 'only commands of this source (of CloudEvents)'));
}

const REASONS = [
  'malformed',
  'unknown-type',
  'invalid-data',
  'too-large',
  'handler-failed',
  'parked-behind',
];

function addResolving(
  deadLetters: Command,
  action: Action,
  description: string,
  examples: string,
): Command {
  return addFilters(deadLetters.command(action))
    .description(description)
    .argument('[ids...]', 'their places, as list prints them')
    .addOption(new Option('--all', 'every letter on the list').default(false))
    .addOption(
      new Option('--execute', 'do it; without this, it is only told what would be done').default(
        false,
      ),
    )
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action(async (ids: readonly string[], options: Omit<Selection, 'ids'> & Manner) => {
      const { resolveDeadLetters } = await import('./resolve.ts');
      const { execute, edit, maxRedrives = MAX_REDRIVES, json, ...selection } = options;
      await resolveDeadLetters(
        action,
        { ids, ...selection },
        { execute, maxRedrives, json, ...(edit === undefined ? {} : { edit }) },
      );
    });
}
