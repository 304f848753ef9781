import { type Channel, channels } from './channels.ts';
import { type DescribedMessages, formName, inDocument } from './described-message.ts';
import { type JsonSchema, messageSchemas } from './json-schemas.ts';

/** An AsyncAPI document, as far as this service writes one. */
export interface AsyncApiDocument {
  readonly asyncapi: string;
  readonly info: { readonly version: string; readonly [field: string]: unknown };
  readonly channels: Readonly<
    Record<
      string,
      {
        readonly address: string | null;
        readonly messages: object;
        readonly bindings?: object;
      }
    >
  >;
  readonly operations: Readonly<Record<string, { readonly [field: string]: unknown }>>;
  readonly components: {
    readonly messages: DescribedMessages;
    readonly schemas: Readonly<Record<string, JsonSchema>>;
  };
  readonly [field: string]: unknown;
}

/** Describes everything that the service reads from topics and writes into them. */
export function asyncApiDocument(version: string): AsyncApiDocument {
  const all = channels();
  const messages = Object.assign({}, ...all.map((channel) => channel.messages));
  return {
    asyncapi: '3.1.0',
    info: {
      title: 'Allocation',
      version,
      description: 'Allocates stock to orders: commands in from Kafka, exactly-once events out.',
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers: {
      kafka: { host: '127.0.0.1:9092', protocol: 'kafka', description: 'See KAFKA_BROKERS.' },
    },
    channels: Object.fromEntries(all.map((each) => [each.name, channelIn(each)])),
    operations: Object.fromEntries(all.map((each) => [each.operation, operationIn(each)])),
    components: {
      messages,
      schemas: Object.fromEntries(
        messageSchemas().map((each) => [formName(each), inDocument(each.schema)]),
      ),
    },
  };
}

function channelIn({ description, topic, isNamed, messages }: Channel) {
  const { partitions, maxMessageBytes, keepsAll = false } = topic;
  return {
    address: isNamed ? topic.name : null,
    description,
    messages: Object.fromEntries(
      Object.keys(messages).map((name) => [name, { $ref: `#/components/messages/${name}` }]),
    ),
    bindings: {
      kafka: {
        ...(isNamed && { topic: topic.name }),
        partitions,
        topicConfiguration: {
          'cleanup.policy': ['delete'],
          'max.message.bytes': maxMessageBytes,
          ...(keepsAll && { 'retention.ms': -1, 'retention.bytes': -1 }),
        },
        bindingVersion: '0.5.0',
      },
    },
  };
}

function operationIn({ name, action, summary }: Channel) {
  return {
    action,
    summary,
    channel: { $ref: `#/channels/${name}` },
    ...(action === 'receive' && {
      reply: { channel: { $ref: '#/channels/events' } },
      bindings: {
        kafka: {
          groupId: { type: 'string', default: 'allocation', description: 'KAFKA_GROUP_ID' },
          bindingVersion: '0.5.0',
        },
      },
    }),
  };
}
