import { type Command, Option } from 'commander';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { awaitBroker } from './broker-deadline.ts';
import { parseCount } from './command-arguments.ts';
import { jsonOption, print } from './output.ts';
import { withBroker } from './session.ts';

type TopicName = 'events' | 'commands' | 'dead-letters';

interface TailOptions {
  readonly from: 'beginning' | 'end';
  readonly topic: TopicName;
  readonly count?: number;
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
        .choices(['events', 'commands', 'dead-letters'])
        .default('events'),
    )
    .addOption(new Option('--count <n>', 'end after n records').argParser(parseCount))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation tail                                   # the events from now on
  $ npx allocation tail --from beginning --count 10
  $ npx allocation tail --from beginning --json | head -1 # one structured CloudEvent per line
  $ npx allocation tail --topic commands                  # the commands that come in

With --json, events are structured CloudEvents. Commands and dead letters are records with their
place, key, headers and value.`,
    )
    .action(follow);
}

async function follow({
  from,
  topic,
  count = Number.POSITIVE_INFINITY,
  json,
}: TailOptions): Promise<void> {
  const { asJson, asText } = await import('./describe-record.ts');
  const show = (record: ReceivedRecord) => (json ? JSON.stringify(asJson(record)) : asText(record));
  const end = Promise.withResolvers<void>();
  const stop = () => end.resolve();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  await withBroker({ createTopics: true, logLevel: 'warn' }, async ({ broker, config }) => {
    const name = {
      events: config.eventsTopic,
      commands: config.commandsTopic,
      'dead-letters': config.deadLettersTopic,
    }[topic];
    let printed = 0;
    const onRecord = (record: ReceivedRecord) => {
      if (printed === count) return;
      printed += 1;
      print(show(record));
      if (printed === count) stop();
    };
    const subscription = await awaitBroker(broker.tail(name, from, onRecord), config);
    await end.promise;
    await awaitBroker(subscription.close(), config).catch(() => {});
  });
}
