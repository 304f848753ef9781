import { readConfig } from '../config.ts';
import { MAX_COMMAND_BYTES } from '../messages/read-command.ts';
import type { TopicSettings } from '../service-layer/broker.ts';
import { allTopicSettings } from '../topic-settings.ts';
import { commandMessages } from './command-messages.ts';
import type { DescribedMessages } from './described-message.ts';
import { actMessage, deadLetterMessages, eventMessage } from './event-messages.ts';
import { type MessageSchema, messageSchemas } from './json-schemas.ts';

/** What the service takes in (`receive`) or sends, as one channel of the document. */
export interface Channel {
  readonly name: string;
  readonly action: 'receive' | 'send';
  readonly operation: string;
  /** What the topic holds, in a few words. */
  readonly holds: string;
  readonly summary: string;
  readonly description: string;
  /** The topic as the service creates it. */
  readonly topic: TopicSettings;
  /** Whether the topic has its name by default. Otherwise a setting must name it. */
  readonly isNamed: boolean;
  readonly messages: DescribedMessages;
}

const EVENTS_TEXT = `What the service decides.

- Read with isolation.level=read_committed. Then each event is visible exactly once.
- A composite has several events. Treat each event inside like a record of its own.
- Drop repeats by ce_id; in a composite, by the ids inside. Never drop an event by its sequence
  alone.
- The sequence counts the events of one sku: 1, 2, 3, … without a gap. Several partitions may hold
  events of one sku. Apply them in any order, or hold an event back until the one before it came.
- Accept types and fields that you do not know.
- A repeated command has no second answer.`;

const COMMANDS_TEXT = `What other services ask for. A command has one of three forms, and at most \
${MAX_COMMAND_BYTES} bytes in its value.

- Give each command an id. The same command sent again changes nothing and has no second answer.
- Key each command as its message says. Kafka's partition must be chosen by murmur2: librdkafka
  needs partitioner=murmur2_random.
- What cannot be answered becomes a dead letter.`;

/** Describes the topics of the service, with their messages. */
export function channels(): readonly Channel[] {
  const schemas = messageSchemas();
  // The audit topic has no name by default. This one is not shown.
  const config = readConfig({ AUDIT_TOPIC: 'audit' });
  const [commands, events, deadLetters, audit] = allTopicSettings(config) as [
    TopicSettings,
    TopicSettings,
    TopicSettings,
    TopicSettings,
  ];
  const ofKind = (kind: MessageSchema['kind']) => schemas.filter((each) => each.kind === kind);
  const all = (found: readonly DescribedMessages[]) => Object.assign({}, ...found);
  return [
    {
      name: 'commands',
      action: 'receive',
      operation: 'answerCommands',
      holds: 'commands',
      summary: 'Answers each command once, with events or with a dead letter.',
      description: COMMANDS_TEXT,
      topic: commands,
      isNamed: true,
      messages: all(ofKind('command').map(commandMessages)),
    },
    {
      name: 'events',
      action: 'send',
      operation: 'publishEvents',
      holds: 'answers',
      summary: 'Publishes what a command led to.',
      description: EVENTS_TEXT,
      topic: events,
      isNamed: true,
      messages: all(ofKind('event').map(eventMessage)),
    },
    {
      name: 'deadLetters',
      action: 'send',
      operation: 'publishDeadLetters',
      holds: 'what could not be answered, and why',
      summary: 'Keeps each message that could not be answered.',
      description: 'What could not be answered, why, and what was done with it.',
      topic: deadLetters,
      isNamed: true,
      messages: deadLetterMessages(),
    },
    {
      name: 'audit',
      action: 'send',
      operation: 'recordActs',
      holds: 'the [acts](#audit) of operators',
      summary: 'Records each act of an operator when it begins and when it ends.',
      description: 'The acts of operators. AUDIT_TOPIC names the topic.',
      topic: audit,
      isNamed: false,
      messages: all(ofKind('audit').map(actMessage)),
    },
  ];
}
