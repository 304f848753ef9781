import { type Command, Option } from 'commander';
import { SelectionError } from '../../dead-letters/errors.ts';
import { type Action, MAX_REDRIVES, type Selection } from '../../dead-letters/plan.ts';
import { DEAD_LETTER_REASONS } from '../../messages/dead-letter-reasons.ts';
import { parseCount } from '../command-arguments.ts';
import { UsageError } from '../errors.ts';
import { jsonOption } from '../output.ts';
import type { ResolveOptions } from './resolve.ts';

/** Adds `allocation dead-letters list|show|redrive|discard`. */
export function addDeadLetters(program: Command): void {
  const deadLetters = program
    .command('dead-letters')
    .description(
      'look at messages that could not be read or handled, send them again, or discard them',
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
  addList(deadLetters);
  addShow(deadLetters);
  addRedrive(deadLetters);
  addDiscard(deadLetters);
}

function addList(deadLetters: Command): void {
  addFilters(deadLetters.command('list'))
    .description('list the dead letters that nobody has redriven or discarded, oldest first')
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
        await refuseWrongSelection(listDeadLetters(filters, json));
      },
    );
}

function addShow(deadLetters: Command): void {
  deadLetters
    .command('show')
    .description(
      'show one whole dead letter: its reason, headers, and value as text or in hexadecimal',
    )
    .argument('<id>', "the letter's place, as list prints it")
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExample:\n  $ npx allocation dead-letters show allocation.dead-letters/0/0',
    )
    .action(async (id: string, { json }: { json: boolean }) => {
      const { showDeadLetter } = await import('./show.ts');
      await showDeadLetter(id, json);
    });
}

function addRedrive(deadLetters: Command): void {
  addResolveCommand(
    deadLetters,
    'redrive',
    'send messages to the commands topic again, with the commands parked behind them; ' +
      'a repeat changes nothing',
    `
Examples:
  $ npx allocation dead-letters redrive --sku SMALL-TABLE
  $ npx allocation dead-letters redrive --sku SMALL-TABLE --execute
  $ npx allocation dead-letters redrive --reason handler-failed \\
      --since 2026-11-25T18:00:00Z --execute
  $ npx allocation dead-letters redrive allocation.dead-letters/0/0 --execute \\
      --edit '{"type":"AllocateOrder","orderid":"order-1","sku":"SMALL-TABLE","qty":2}'`,
  )
    .addOption(
      new Option(
        '--edit <json>',
        'send this command instead of the one letter chosen: JSON or @file; it gets a new id',
      ),
    )
    .addOption(
      new Option(
        '--max-redrives <count>',
        'refuse a failed command that was redriven this often already',
      )
        .default(MAX_REDRIVES)
        .argParser(parseCount),
    );
}

function addDiscard(deadLetters: Command): void {
  addResolveCommand(
    deadLetters,
    'discard',
    'take letters off the list without sending them; commands parked behind them are redriven',
    `
Examples:
  $ npx allocation dead-letters discard allocation.dead-letters/0/0
  $ npx allocation dead-letters discard allocation.dead-letters/0/0 --execute
  $ npx allocation dead-letters discard --reason malformed --execute`,
  );
}

function addFilters(command: Command): Command {
  return command
    .addOption(new Option('--reason <reason>', 'only letters with this reason').choices(REASONS))
    .addOption(new Option('--type <type>', 'only commands of this type'))
    .addOption(
      new Option(
        '--sku <sku>',
        'only parked commands about this product, and unreadable messages with this key',
      ),
    )
    .addOption(
      new Option('--since <time>', 'only letters from this time on, e.g. 2026-11-25T18:00:00Z'),
    )
    .addOption(new Option('--id <id>', 'only the command with this id'))
    .addOption(new Option('--source <source>', 'only commands with this CloudEvents source'));
}

const REASONS = Object.keys(DEAD_LETTER_REASONS);

function addResolveCommand(
  deadLetters: Command,
  action: Action,
  description: string,
  examples: string,
): Command {
  return addFilters(deadLetters.command(action))
    .description(description)
    .argument('[ids...]', "the letters' places, as list prints them")
    .addOption(new Option('--all', 'all letters on the list').default(false))
    .addOption(
      new Option('--execute', 'do it; without this option, only print what would be done').default(
        false,
      ),
    )
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action(async (ids: readonly string[], options: Omit<Selection, 'ids'> & ResolveOptions) => {
      const { resolveDeadLetters } = await import('./resolve.ts');
      const { execute, edit, maxRedrives = MAX_REDRIVES, json, ...selection } = options;
      await refuseWrongSelection(
        resolveDeadLetters(
          action,
          { ids, ...selection },
          { execute, maxRedrives, json, ...(edit === undefined ? {} : { edit }) },
        ),
      );
    });
}

/** Waits for the work. Makes a wrong selection of letters wrong usage, with the exit code 2. */
async function refuseWrongSelection(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof SelectionError)) throw error;
    throw new UsageError(error.message, { cause: error });
  }
}
