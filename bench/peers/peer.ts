/**
 * Another way to answer the same commands, measured beside the service.
 *
 * Its process finds KAFKA_BROKERS, KAFKA_GROUP_ID, COMMANDS_TOPIC and EVENTS_TOPIC (four partitions each) and an empty
 * STATE_DIRECTORY in its environment, prints `ready`, and publishes one event for each command, keyed by sku, with the
 * headers `ce_causationid` (the command's id) and `ce_type`. SIGTERM ends it.
 */
export interface Peer {
  readonly name: string;
  /** Installs or builds it. @returns why it cannot run here; null: it can */
  prepare(): Promise<string | null>;
  readonly command: readonly string[];
  readonly directory: string;
  /** What it leaves out that the service does, for the report. */
  readonly doesNot: string;
}
