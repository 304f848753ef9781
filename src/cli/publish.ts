import type { Command } from 'commander';
import { plainCommand } from './command-arguments.ts';
import { UsageError } from './errors.ts';
import { jsonOption, print, printJson } from './output.ts';
import { answering, withBroker } from './session.ts';

/** `allocation publish` */
export function addPublish(program: Command): void {
  program
    .command('publish')
    .description('send a command, or a stream of them from stdin')
    .argument(
      '<type>',
      'CreateBatch, AllocateOrder, ChangeBatchQuantity or DeallocateOrder; or - for JSON lines from stdin',
    )
    .argument('[fields...]', 'key=value: the fields of the command, and optionally its id')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation publish CreateBatch reference=batch-1 sku=SMALL-TABLE quantity=20
  $ npx allocation publish CreateBatch reference=batch-2 sku=SMALL-TABLE quantity=50 eta=2027-01-31
  $ npx allocation publish AllocateOrder orderid=order-1 sku=SMALL-TABLE qty=2
  $ npx allocation publish AllocateOrder orderid=order-2 lines='[{"sku":"LAMP","qty":1},{"sku":"SMALL-TABLE","qty":2}]'
  $ npx allocation publish ChangeBatchQuantity reference=batch-1 quantity=15
  $ npx allocation publish DeallocateOrder orderid=order-1 id=cmd-7
  $ echo '{"type":"AllocateOrder","orderid":"order-3","sku":"LAMP","qty":1}' | npx allocation publish -
  $ npx allocation publish - < commands.jsonl

The same id again is the same command, and changes nothing: give ids to what you may send twice.
Of a stream the good lines are sent; bad ones are named on stderr by their number, and make the exit code 1.`,
    )
    .action(async (type: string, fields: readonly string[], { json }: { json: boolean }) => {
      if (type !== '-') return publishOne(type, fields, json);
      if (fields.length > 0)
        throw new UsageError('publish - takes its commands from stdin, and no fields');
      const { publishStream } = await import('./publish-stream.ts');
      await publishStream(json);
    });
}

async function publishOne(type: string, fields: readonly string[], json: boolean): Promise<void> {
  const { commandKey, FRONT_DOOR_PARTITION, readCommand } = await import('../messages/incoming.ts');
  const value = Buffer.from(JSON.stringify(plainCommand(type, fields)));
  const read = readCommand({ value, headers: {} }, '');
  if (read.kind === 'unreadable') throw new UsageError(read.message);
  const { topic, partition, offset } = await withBroker(
    { createTopics: true },
    async ({ broker, config }) => {
      const record = {
        key: commandKey(read.command),
        value,
        headers: {},
        partition: FRONT_DOOR_PARTITION,
      };
      const [place] = await answering(broker.publish(config.commandsTopic, [record]), config);
      if (!place)
        throw new Error(
          'The broker did not say where it put the command: look for it with "npx allocation tail --topic commands"',
        );
      return { topic: config.commandsTopic, ...place };
    },
  );
  const id = read.id || `${topic}/${partition}/${offset}`;
  if (json) return printJson({ id, topic, partition, offset });
  print(`Published ${type} ${id} to ${topic}, partition ${partition}, offset ${offset}`);
}
