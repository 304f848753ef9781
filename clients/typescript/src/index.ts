export type {
  AllocateOrder,
  ChangeBatchQuantity,
  Command,
  CommandData,
  CommandEvent,
  CommandType,
  CreateBatch,
  DeallocateOrder,
  OrderLine,
} from './commands/command.ts';
export { type CommandRecord, type KeyFacts, toRecord } from './commands/command-record.ts';
export { type CommandOptions, CommandSource } from './commands/command-source.ts';
export {
  COMMAND_TYPES,
  type FieldProblem,
  MAX_LINES,
  validateCommand,
} from './commands/validate-command.ts';
export {
  AllocationClientError,
  InvalidCommandError,
  UnexpectedAnswerError,
  UnknownKeyError,
  UnreachableError,
} from './errors.ts';
export { Deduplicator, RecentIds, type SeenIds } from './events/deduplicator.ts';
export type {
  AllocationEvent,
  CompositeEvent,
  EventData,
  EventEnvelope,
  EventType,
  KnownEvent,
  RejectionReason,
  UnknownEvent,
} from './events/event.ts';
export {
  type Gap,
  HoldBack,
  type HoldBackOptions,
  type HoldBackState,
  type Release,
} from './events/hold-back.ts';
export type { KafkaRecord, RecordHeaders } from './events/kafka-record.ts';
export { eventsOf, flatten, parseEvent, parseStructuredEvent } from './events/parse-event.ts';
export type { ProductState, Run } from './events/product-turn.ts';
export {
  AllocationClient,
  type CommandName,
  type SendOptions,
  type WaitOptions,
} from './http/allocation-client.ts';
export type {
  AcceptedCommand,
  AnsweredCommand,
  CommandOutcome,
  CommandStatus,
  DeadCommand,
  PendingCommand,
  Place,
  UnknownCommand,
} from './http/answer.ts';
export type { EventStreamOptions, StreamedEvents } from './http/event-stream.ts';
export {
  AccessError,
  ProblemError,
  RefusedCommandError,
  UnavailableError,
} from './http/problem.ts';
export type { Connection } from './http/requests.ts';
