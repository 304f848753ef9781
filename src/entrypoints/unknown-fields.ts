import type { Logger } from 'pino';
import { pathText, unknownFieldText } from '../messages/known-fields.ts';
import type { Metrics } from './metrics.ts';
import { type CommandRecord, placeOf } from './read-delivery.ts';

/** How many fields the log names. Senders may choose any number of names. */
const MAX_WARNINGS = 100;

/**
 * Counts the fields of commands that the service ignores, and warns of each field of a type once.
 * So a sender's mistake shows, and cannot fill the log.
 */
export class UnknownFields {
  readonly #metrics: Metrics;
  readonly #log: Logger;
  /** The type and the path of each field that the log has named. */
  readonly #named = new Set<string>();

  constructor({ metrics, log }: { readonly metrics: Metrics; readonly log: Logger }) {
    this.#metrics = metrics;
    this.#log = log;
  }

  /** Takes the commands of one transaction. */
  note(commands: readonly CommandRecord[]): void {
    for (const { incoming, record } of commands) {
      if (incoming.kind === 'unreadable' || incoming.unknownFields === undefined) continue;
      const { unknownFields, command } = incoming;
      this.#metrics.countUnknownFields(command.type, unknownFields.length);
      for (const field of unknownFields) {
        const path = pathText(field.path.filter((part) => typeof part === 'string'));
        const text = `${path} ${unknownFieldText(field, command.type)}`;
        this.#warnOnce(command.type, path, placeOf(record), text);
      }
    }
  }

  #warnOnce(type: string, field: string, place: string, text: string): void {
    const name = `${type} ${field}`;
    if (this.#named.size > MAX_WARNINGS || this.#named.has(name)) return;
    this.#named.add(name);
    if (this.#named.size > MAX_WARNINGS) {
      this.#log.warn(
        `Commands have had more than ${MAX_WARNINGS} unknown fields. The log names no further ` +
          'ones. The metric allocation_unknown_fields_total counts them',
      );
      return;
    }
    this.#log.warn(
      { type, field, place },
      `The command at ${place} has a field that is ignored: ${text}`,
    );
  }
}
