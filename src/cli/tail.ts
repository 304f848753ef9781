import { once } from 'node:events';
import { type Command, Option } from 'commander';
import { COMMAND_TYPES } from '../domain/command-scopes.ts';
import type { ReadChunk } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { awaitBroker } from './broker-deadline.ts';
import { parseCount } from './command-arguments.ts';
import { UsageError } from './errors.ts';
import { jsonOption, print, printJson } from './output.ts';
import type { RecordFilter } from './record-filter.ts';
import { type BrokerSession, withBroker } from './session.ts';

type TopicName = 'events' | 'commands' | 'dead-letters' | 'audit';

interface TailOptions extends RecordFilter {
  readonly from: 'beginning' | 'end';
  readonly topic: TopicName;
  readonly count?: number;
  readonly untilEnd: boolean;
  readonly json: boolean;
}

/** Adds `allocation tail`. */
export function addTail(program: Command): void {
  program
    .command('tail')
    .description('print the events, or another topic, as they come, until Ctrl-C')
    .addOption(
      new Option('--from <where>', 'where in the topic to begin')
        .choices(['beginning', 'end'])
        .default('end'),
    )
    .addOption(
      new Option('--topic <name>', 'the topic to print')
        .choices(['events', 'commands', 'dead-letters', 'audit'])
        .default('events'),
    )
    .addOption(new Option('--type <type>', 'only events, or commands, of this type'))
    .addOption(new Option('--sku <sku>', 'only what is about this product'))
    .addOption(new Option('--order <orderid>', 'only what is about this order'))
    .addOption(new Option('--count <n>', 'end after n records').argParser(parseCount))
    .addOption(
      new Option('--until-end', 'print what the topic has now, from the beginning, and end')
        .default(false)
        .implies({ from: 'beginning' }),
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation tail                                   # the events from now on
  $ npx allocation tail --from beginning --count 10
  $ npx allocation tail --from beginning --json | head -1 # one structured CloudEvent per line
  $ npx allocation tail --topic commands                  # the commands that come in
  $ npx allocation tail --topic audit --until-end         # what operators have done
  $ npx allocation tail --until-end --order order-1       # all that happened to an order
  $ npx allocation tail --type OutOfStock --sku SMALL-TABLE

With --json, events are structured CloudEvents, and a composite is printed whole if one of its
events is chosen. Without --json, only the chosen events are printed. With --json, commands and dead
letters are records with their place, key, headers and value.`,
    )
    .action(tail);
}

async function tail(options: TailOptions): Promise<void> {
  const { eventVersions } = await import('../messages/event-versions.ts');
  const { OPERATOR_ACTED } = await import('../messages/operator-acts.ts');
  const known = {
    events: [...Object.keys(eventVersions), 'CompositeDomainEvent'],
    commands: COMMAND_TYPES,
    // Dead letters include messages whose type nobody knows.
    'dead-letters': null,
    audit: [OPERATOR_ACTED],
  }[options.topic];
  const { type, from, untilEnd } = options;
  if (type !== undefined && known && !(known as readonly string[]).includes(type))
    throw new UsageError(`Unknown type "${type}"; use one of: ${known.join(', ')}`);
  if (untilEnd && from === 'end')
    throw new UsageError('--until-end begins at the beginning: leave --from end out');
  await follow(options);
}

async function follow({
  from,
  topic,
  count = Number.POSITIVE_INFINITY,
  untilEnd,
  json,
  ...filter
}: TailOptions): Promise<void> {
  const { asJson, asText, isChosen } = await import('./describe-record.ts');
  const end = new AbortController();
  const stop = () => end.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    await withBroker({ mayCreate: false, logLevel: 'warn' }, async ({ broker, config }) => {
      const name = {
        events: config.eventsTopic,
        commands: config.commandsTopic,
        'dead-letters': config.deadLettersTopic,
        audit: config.auditTopic,
      }[topic];
      if (name === null)
        throw new UsageError('AUDIT_TOPIC is not set: set it to the audit topic of the service');
      let printed = 0;
      const onRecord = (record: ReceivedRecord) => {
        if (printed === count || !isChosen(record, filter)) return;
        printed += 1;
        if (json) printJson(asJson(record));
        else print(asText(record, filter));
        if (printed === count) stop();
      };
      if (untilEnd) return readToEnd({ broker, config }, name, onRecord, end.signal);
      const subscription = await awaitBroker(broker.tail(name, from, onRecord), config);
      if (!end.signal.aborted) await once(end.signal, 'abort');
      await awaitBroker(subscription.close(), config).catch(() => {});
    });
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

/** Reads what the topic has now. Ends earlier, without an error, when the signal aborts. */
async function readToEnd(
  { broker, config }: Pick<BrokerSession, 'broker' | 'config'>,
  topic: string,
  onRecord: (record: ReceivedRecord) => void,
  signal: AbortSignal,
): Promise<void> {
  const ranges = await awaitBroker(broker.offsetRanges(topic), config);
  const take = async ({ records }: ReadChunk) => records.forEach(onRecord);
  await broker.read(topic, ranges, take, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
