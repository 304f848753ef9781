import { type Command as CliCommand, Option } from 'commander';
import type { Command } from '../../domain/commands.ts';
import { positive } from '../command-arguments.ts';
import { jsonOption } from '../output.ts';
import { type ActOptions, addActOptions, executeOption, skipForeignOption } from './act.ts';
import type { CommandsOptions } from './commands.ts';
import type { EventsOptions } from './events.ts';
import type { OffsetsOptions } from './offsets.ts';
import type { RebuildOptions } from './rebuild.ts';
import type { SnapshotOptions } from './snapshot.ts';
import type { VerifyOptions } from './verify.ts';

/** `allocation replay rebuild|verify|events|snapshot|offsets|commands` */
export function addReplay(program: CliCommand): void {
  const replay = program
    .command('replay')
    .description(
      'recovery from the topics: each shows its plan first, and acts with --execute or when you say yes',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation replay rebuild --into sqlite:///./recovered.db
  $ npx allocation replay rebuild --into sqlite:///./recovered.db --execute

What to do when: docs/recovery.md`,
    );
  addActOptions(replay.command('rebuild'))
    .description(
      'build a database from the events, so that the service goes on with it where the lost one stopped',
    )
    .requiredOption(
      '--into <url>',
      'the database to build: an empty one, written like DATABASE_URL',
    )
    .addOption(
      new Option(
        '--until <time|offset>',
        'only what was published before: a database to look at, not to run on',
      ),
    )
    .addOption(
      new Option('--from-copy', 'the target is an older copy: add what it lacks')
        .default(false)
        .conflicts('until'),
    )
    .addOption(skipForeignOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation replay rebuild --into sqlite:///./recovered.db             # shows the plan
  $ npx allocation replay rebuild --into sqlite:///./recovered.db --execute
  $ npx allocation replay rebuild --into sqlite:///./backup.db --from-copy --execute
  $ npx allocation replay rebuild --into sqlite:///./monday.db --until 2026-11-23T08:00:00Z --execute

Interrupted (Ctrl-C, a crash, the broker gone), the same command goes on where it was.
The service then starts on it with DATABASE_URL set to that url.`,
    )
    .action(async (options: RebuildOptions & ActOptions) => {
      const { rebuild } = await import('./rebuild.ts');
      await rebuild(options);
    });
  replay
    .command('verify')
    .description(
      'compare a database, of a running service too, with the topics: exit code 0 when it says the same, else 1',
    )
    .option('--database <url>', 'the database (default: DATABASE_URL)')
    .addOption(skipForeignOption())
    .addOption(
      new Option('--max-rate <records>', 'read at most so many records per second').argParser(
        positive,
      ),
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation replay verify
  $ npx allocation replay verify --database sqlite:///./recovered.db
  $ npx allocation replay verify --json | jq .counts

Where retention has deleted the beginning of the events topic, it compares what can be compared, and says what that was.`,
    )
    .action(async (options: VerifyOptions) => {
      const { verifyDatabase } = await import('./verify.ts');
      await verifyDatabase(options);
    });
  addActOptions(replay.command('events'))
    .description('copy past events into another topic, for a consumer that lost its own state')
    .requiredOption(
      '--to-topic <topic>',
      'where to: a topic that is there, and none of the service itself',
    )
    .option(
      '--from <time|offset>',
      'only what was published then or later; an offset: of each partition',
    )
    .option('--to <time|offset>', 'only what was published before')
    .option('--type <type>', 'only answers with an event of this type')
    .option('--sku <sku>', 'only answers with an event about this product')
    .option('--resume <places>', 'where an interrupted copy goes on, as it has printed it')
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation replay events --to-topic shipping.replay                   # shows the plan
  $ npx allocation replay events --to-topic shipping.replay --execute
  $ npx allocation replay events --to-topic shipping.replay --type Allocated --from 2026-11-23T08:00:00Z --execute
  $ npx allocation replay events --to-topic shipping.replay --resume 0/1200,1/0 --execute

Keys, values, ids and headers are the same, and the header ce_replay: true is added. Answers of several events go whole.
The events of one key come in their order, the partitions one after the other: ce_sequence says the order of a product's.
After Ctrl-C --resume sends nothing twice. After a crash begin where the last line of the progress (stderr) says, or anew:
what comes twice has the same ce_id.`,
    )
    .action(async (options: EventsOptions & ActOptions) => {
      const { copyEvents } = await import('./events.ts');
      await copyEvents(options);
    });
  replay
    .command('snapshot')
    .description(
      'copy the database with its positions, as it is at one moment, while the service runs',
    )
    .requiredOption(
      '--into <url>',
      'a new SQLite file, or an empty PostgreSQL database, written like DATABASE_URL',
    )
    .addOption(executeOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation replay snapshot --into sqlite:////backups/monday.db             # shows the plan
  $ npx allocation replay snapshot --into sqlite:////backups/monday.db --execute
  $ npx allocation replay rebuild --into sqlite:////backups/monday.db --from-copy --execute   # later: brings it up to date

Interrupted, nothing is left of it. The embedded log goes along from one SQLite file into another, and nowhere else.`,
    )
    .action(async (options: SnapshotOptions & ActOptions) => {
      const { snapshot } = await import('./snapshot.ts');
      await snapshot(options);
    });
  replay
    .command('offsets')
    .description(
      'settle committed offsets that Kafka has lost and that nobody can prove, while services run',
    )
    .addOption(
      new Option('--publish', 'publish what waits in the outbox: an answer may come twice')
        .default(false)
        .conflicts('skip'),
    )
    .addOption(
      new Option(
        '--skip',
        'take what waits in the outbox as published: an answer may be missing',
      ).default(false),
    )
    .addOption(executeOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation replay offsets                        # shows each lane, and changes nothing
  $ npx allocation replay offsets --publish --execute    # consumers drop repeats by ce_id
  $ npx allocation replay offsets --skip --execute       # the answers that wait are out

A group loses its offsets seven days after its last member left, or with another KAFKA_GROUP_ID. The service then finds in the published
answers how far it has come, and needs nobody. Where retention or compaction has deleted answers, a lane with answers in its outbox
refuses, and names this command. If consumers drop events whose ce_id they know, take --publish. PUBLISHED says what was found;
WAITING counts the records in the outbox beyond it.`,
    )
    .action(async (options: OffsetsOptions) => {
      const { settleOffsets } = await import('./offsets.ts');
      await settleOffsets(options);
    });
  addActOptions(replay.command('commands'))
    .description(
      'what if: handle past commands again with the code of today; exit code 0 when they lead to what was published, else 1',
    )
    .addOption(new Option('--from <time|offset>', 'the first command (default: of all)'))
    .addOption(
      new Option('--to <time|offset>', 'the end, exclusive (default: the last that was answered)'),
    )
    .addOption(
      new Option('--type <type>', 'compare only commands of this type').choices([
        'CreateBatch',
        'AllocateOrder',
        'ChangeBatchQuantity',
        'DeallocateOrder',
      ] satisfies Command['type'][]),
    )
    .option('--sku <sku>', 'compare only commands about this product')
    .addOption(skipForeignOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation replay commands                                          # shows the plan
  $ npx allocation replay commands --execute
  $ npx allocation replay commands --from 2026-11-25T00:00:00Z --type AllocateOrder --execute
  $ npx allocation replay commands --from 5000 --to 6000 --sku SMALL-TABLE --json --execute

A check for new allocation rules, run on the new version: nothing is published, the service may run. It works on a temporary database
(in TMPDIR), on the state that the published events before --from have left. A time is compared with the commands' own; an offset is
one of each partition. After a different outcome the stock is what the new outcome made of it: later differences may follow from it.`,
    )
    .action(async (options: CommandsOptions & ActOptions) => {
      const { replayCommands } = await import('./commands.ts');
      await replayCommands(options);
    });
}
