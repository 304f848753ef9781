import type { Command } from 'commander';
import { COMMAND_TYPES } from '../domain/command-scopes.ts';
import type { Command as DomainCommand } from '../domain/commands.ts';
import { placeOf } from '../domain/place.ts';
import { awaitBroker } from './broker-deadline.ts';
import { parseCount, plainCommand } from './command-arguments.ts';
import { UsageError } from './errors.ts';
import { jsonOption, print, printJson } from './output.ts';
import { withBroker } from './session.ts';

/** The examples in the help of each command: the arguments of `allocation publish`. */
const EXAMPLES: Readonly<Record<DomainCommand['type'], readonly string[]>> = {
  CreateBatch: [
    'CreateBatch reference=batch-1 sku=SMALL-TABLE quantity=20',
    'CreateBatch reference=batch-2 sku=SMALL-TABLE quantity=50 eta=2027-01-31',
  ],
  AllocateOrder: [
    'AllocateOrder orderid=order-1 sku=SMALL-TABLE qty=2',
    `AllocateOrder orderid=order-2 lines='[{"sku":"LAMP","qty":1},{"sku":"SMALL-TABLE","qty":2}]'`,
  ],
  ChangeBatchQuantity: ['ChangeBatchQuantity reference=batch-1 quantity=15'],
  DeallocateOrder: ['DeallocateOrder orderid=order-1 id=cmd-7'],
};

const DEFAULT_WAIT_SECONDS = 10;

interface PublishOptions {
  readonly json: boolean;
  /** How long to wait for the answer, in seconds. True: the usual time. Absent: do not wait. */
  readonly wait?: number | true;
}

/** Adds `allocation publish`. */
export function addPublish(program: Command): void {
  program
    .command('publish')
    .description('send one command, or a stream of commands from stdin')
    .argument('<type>', `${COMMAND_TYPES.join(', ')}, or - for JSON lines from stdin`)
    .argument(
      '[fields...]',
      'key=value: the fields of the command, and an id if you want to choose it',
    )
    .option(
      '--wait [seconds]',
      `wait for the answer (default: ${DEFAULT_WAIT_SECONDS} s)`,
      parseCount,
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
${Object.values(EXAMPLES).flat().map(example).join('\n')}
  $ echo '{"type":"AllocateOrder","orderid":"order-3","sku":"LAMP","qty":1}' \\
      | npx allocation publish -
  $ npx allocation publish - < commands.jsonl
  $ npx allocation publish AllocateOrder orderid=order-1 sku=LAMP qty=2 --wait

A command with the id of an earlier one is a repeat, and changes nothing.
Choose ids for commands that you may send twice.
A stream sends its good lines. It names bad lines by number on stderr, and then exits with code 1.`,
    )
    .action(async (type: string, fields: readonly string[], options: PublishOptions) => {
      if (type !== '-') return publishOne(type, fields, options);
      if (options.wait !== undefined)
        throw new UsageError('--wait waits for the answer to one command: leave "-" out');
      if (fields.length > 0)
        throw new UsageError('"publish -" reads its commands from stdin: leave the fields out');
      const { publishStream } = await import('./publish-stream.ts');
      await publishStream(options.json);
    });
}

function example(typed: string): string {
  return `  $ npx allocation publish ${typed}`;
}

async function publishOne(
  type: string,
  fields: readonly string[],
  { json, wait }: PublishOptions,
): Promise<void> {
  const { commandKey, FRONT_DOOR_PARTITION } = await import('../messages/front-door.ts');
  const { readCommand } = await import('../messages/read-command.ts');
  const value = Buffer.from(JSON.stringify(plainCommand(type, fields)));
  const read = readCommand({ value, headers: {} }, '', 'strict');
  if (read.kind === 'unreadable') throw new UsageError(read.message);
  const key = commandKey(read.command);
  const record = { key, value, headers: {}, partition: FRONT_DOOR_PARTITION };
  await withBroker({ mayCreate: true }, async ({ broker, config }) => {
    const topic = config.commandsTopic;
    const [place] = await awaitBroker(broker.publish(topic, [record]), config);
    if (!place)
      throw new Error(
        'The broker did not say where the command is: ' +
          'look for it with "npx allocation tail --topic commands --from beginning"',
      );
    const { partition, offset } = place;
    const id = read.id || placeOf({ topic, partition, offset });
    if (!json)
      print(`Published ${type} ${id} to ${topic}, partition ${partition}, offset ${offset}`);
    else if (wait === undefined) printJson({ id, topic, partition, offset });
    if (wait === undefined) return;
    const { printAnswer } = await import('./wait-for-answer.ts');
    const seconds = wait === true ? DEFAULT_WAIT_SECONDS : wait;
    await printAnswer({ broker, config }, { id, topic, partition, offset }, seconds, json);
  });
}
