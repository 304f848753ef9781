/**
 * The version of OpenTelemetry's semantic conventions that the spans follow. The conventions of
 * HTTP are stable, those of messaging are still in development: another version may rename them.
 */
export const SEMANTIC_CONVENTIONS_VERSION = '1.45.0';

/** Tells a backend the version of the attributes' names. */
export const SCHEMA_URL = `https://opentelemetry.io/schemas/${SEMANTIC_CONVENTIONS_VERSION}`;

/** The attributes of spans that the conventions name. */
export const ATTRIBUTES = {
  messagingSystem: 'messaging.system.name',
  operationName: 'messaging.operation.name',
  operationType: 'messaging.operation.type',
  destination: 'messaging.destination.name',
  partition: 'messaging.destination.partition.id',
  consumerGroup: 'messaging.consumer.group.name',
  messageCount: 'messaging.batch.message_count',
  messageId: 'messaging.message.id',
  offset: 'kafka.offset',
  errorType: 'error.type',
  method: 'http.request.method',
  route: 'http.route',
  status: 'http.response.status_code',
  path: 'url.path',
  scheme: 'url.scheme',
  serviceName: 'service.name',
  serviceVersion: 'service.version',
  serviceInstance: 'service.instance.id',
} as const;

/** The attributes of spans that are the service's own. */
export const OWN_ATTRIBUTES = {
  /** The type of the command, such as `AllocateOrder`. */
  command: 'allocation.command',
  /** The order that the command is about. */
  orderid: 'allocation.orderid',
  /** The types of the events that the command led to, each once. */
  events: 'allocation.events',
} as const;

/** The operations on messages: the name says what Kafka calls the operation. */
export const OPERATIONS = {
  send: { [ATTRIBUTES.operationName]: 'send', [ATTRIBUTES.operationType]: 'send' },
  process: { [ATTRIBUTES.operationName]: 'process', [ATTRIBUTES.operationType]: 'process' },
} as const;
