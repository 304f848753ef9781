import { placeOf } from '../domain/place.ts';
import { pathText, unknownFieldText } from '../messages/known-fields.ts';
import type { RepeatedWarnings, WarningCounter } from '../repeated-warnings.ts';
import { traceIdOf } from '../tracing/trace-id.ts';
import type { Metrics } from './metrics/metrics.ts';
import type { CommandRecord } from './read-delivery.ts';

/** How many fields have a line of their own. Senders may choose any number of names. */
const MAX_NAMED = 100;

interface LoggedField {
  readonly type: string;
  readonly field: string;
  readonly place: string;
  readonly commandId: string;
  readonly traceId: string | undefined;
  readonly text: string;
}

/**
 * Counts the fields of commands that the service ignores, and warns of each field of a type once.
 * So a sender's mistake shows, and cannot fill the log.
 */
export class UnknownFields {
  readonly #metrics: Metrics;
  readonly #warnings: WarningCounter<LoggedField>;

  constructor(metrics: Metrics, warnings: RepeatedWarnings) {
    this.#metrics = metrics;
    this.#warnings = warnings.of({
      one: 'field of commands was ignored',
      many: 'fields of commands were ignored',
      hint: 'The metric allocation_unknown_fields_total counts all of them',
      subjectOf: ({ type, field }) => `${type} ${field}`,
      maxSubjects: MAX_NAMED,
      forgets: false,
      describe: ({ text, ...ids }) => ({
        fields: ids,
        text: `The command at ${ids.place} has a field that is ignored: ${text}`,
        name: `${ids.field} of ${ids.type} at ${ids.place}`,
      }),
    });
  }

  /** Takes the commands of one transaction. */
  note(commands: readonly CommandRecord[]): void {
    for (const { incoming, record } of commands) {
      if (incoming.kind === 'unreadable' || incoming.unknownFields === undefined) continue;
      const { unknownFields, command, id: commandId, traceparent } = incoming;
      const { type } = command;
      const ids = { type, place: placeOf(record), commandId, traceId: traceIdOf(traceparent) };
      this.#metrics.commands.countUnknownFields(type, unknownFields.length);
      for (const unknown of unknownFields) {
        const field = pathText(unknown.path.filter((part) => typeof part === 'string'));
        const text = `${field} ${unknownFieldText(unknown, type)}`;
        this.#warnings.warn({ ...ids, field, text });
      }
    }
  }
}
