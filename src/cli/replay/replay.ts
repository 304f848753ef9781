import type { Command } from 'commander';
import { addEvents } from './events-command.ts';
import { addOffsets } from './offsets-command.ts';
import { addRebuild } from './rebuild-command.ts';
import { addSnapshot } from './snapshot-command.ts';
import { addVerify } from './verify-command.ts';
import { addWhatIf } from './what-if-command.ts';

/** Adds `allocation replay rebuild|verify|events|snapshot|offsets|commands`. */
export function addReplay(program: Command): void {
  const replay = program
    .command('replay')
    .description(
      'recover from the topics: each command shows its plan, and acts with --execute or a yes',
    )
    .addHelpText('after', HELP);
  for (const add of [addRebuild, addVerify, addEvents, addSnapshot, addOffsets, addWhatIf])
    add(replay);
}

const HELP = `
Examples:
  $ npx allocation replay rebuild --into sqlite:///./recovered.db
  $ npx allocation replay rebuild --into sqlite:///./recovered.db --execute

What to do when: docs/recovery.md`;
