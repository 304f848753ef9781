import { type Command, Option } from 'commander';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { positive } from './command-arguments.ts';
import { jsonOption, print } from './output.ts';
import { answering, withBroker } from './session.ts';

type TopicName = 'events' | 'commands' | 'dead-letters';

interface TailOptions {
  readonly from: 'beginning' | 'end';
  readonly topic: TopicName;
  readonly count?: number;
  readonly json: boolean;
}

/** `allocation tail` */
export function addTail(program: Command): void {
  program
    .command('tail')
    .description('follow the events (or another topic) until Ctrl-C')
    .addOption(
      new Option('--from <where>', 'where to begin').choices(['beginning', 'end']).default('end'),
    )
    .addOption(
      new Option('--topic <name>', 'what to follow')
        .choices(['events', 'commands', 'dead-letters'])
        .default('events'),
    )
    .addOption(new Option('--count <n>', 'end after n records').argParser(positive))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation tail                                   # what happens from now on
  $ npx allocation tail --from beginning --count 10
  $ npx allocation tail --from beginning --json | head -1 # one structured CloudEvent per line
  $ npx allocation tail --topic commands                  # what comes in

With --json, events are structured CloudEvents; commands and dead letters are records with their place, key, headers and value.`,
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
  const ended = Promise.withResolvers<void>();
  const stop = () => ended.resolve();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  await withBroker({ createTopics: true, logLevel: 'warn' }, async ({ broker, config }) => {
    const name = {
      events: config.eventsTopic,
      commands: config.commandsTopic,
      'dead-letters': config.deadLettersTopic,
    }[topic];
    let seen = 0;
    const onRecord = (record: ReceivedRecord) => {
      if (seen === count) return;
      seen += 1;
      print(show(record));
      if (seen === count) stop();
    };
    const subscription = await answering(broker.tail(name, from, onRecord), config);
    await ended.promise;
    await answering(subscription.close(), config).catch(() => {});
  });
}
