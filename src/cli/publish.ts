import type { Command } from 'commander';
import { COMMAND_TYPES } from '../domain/command-scopes.ts';
import type { Command as DomainCommand } from '../domain/commands.ts';
import { awaitBroker } from './broker-deadline.ts';
import { plainCommand } from './command-arguments.ts';
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
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
${Object.values(EXAMPLES).flat().map(example).join('\n')}
  $ echo '{"type":"AllocateOrder","orderid":"order-3","sku":"LAMP","qty":1}' \\
      | npx allocation publish -
  $ npx allocation publish - < commands.jsonl

A command with the id of an earlier one is a repeat, and changes nothing.
Choose ids for commands that you may send twice.
A stream sends its good lines. It names bad lines by number on stderr, and then exits with code 1.`,
    )
    .action(async (type: string, fields: readonly string[], { json }: { json: boolean }) => {
      if (type !== '-') return publishOne(type, fields, json);
      if (fields.length > 0)
        throw new UsageError('"publish -" reads its commands from stdin: leave the fields out');
      const { publishStream } = await import('./publish-stream.ts');
      await publishStream(json);
    });
}

function example(typed: string): string {
  return `  $ npx allocation publish ${typed}`;
}

async function publishOne(type: string, fields: readonly string[], json: boolean): Promise<void> {
  const { commandKey, FRONT_DOOR_PARTITION, readCommand } = await import('../messages/incoming.ts');
  const value = Buffer.from(JSON.stringify(plainCommand(type, fields)));
  const read = readCommand({ value, headers: {} }, '');
  if (read.kind === 'unreadable') throw new UsageError(read.message);
  const { topic, partition, offset } = await withBroker(
    { mayCreate: true },
    async ({ broker, config }) => {
      const record = {
        key: commandKey(read.command),
        value,
        headers: {},
        partition: FRONT_DOOR_PARTITION,
      };
      const [place] = await awaitBroker(broker.publish(config.commandsTopic, [record]), config);
      if (!place)
        throw new Error(
          'The broker did not say where the command is: ' +
            'look for it with "npx allocation tail --topic commands --from beginning"',
        );
      return { topic: config.commandsTopic, ...place };
    },
  );
  const id = read.id || `${topic}/${partition}/${offset}`;
  if (json) return printJson({ id, topic, partition, offset });
  print(`Published ${type} ${id} to ${topic}, partition ${partition}, offset ${offset}`);
}
