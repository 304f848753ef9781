import { scopeOf } from '../domain/command-scopes.ts';
import { laneName, placeOf } from '../domain/place.ts';
import type { RepeatedWarnings, WarningCounter } from '../repeated-warnings.ts';
import type { AnswerRecord } from '../service-layer/lane-store.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import type { Recovery } from '../service-layer/recoverability.ts';
import { traceIdOf } from '../tracing/trace-id.ts';
import type { CommandRecord } from './read-delivery.ts';

/** A limit above the number of reasons for dead letters. */
const MAX_REASONS = 10;
/** Bounds the errors that are told apart, because an error may quote a number that changes. */
const MAX_FAILURES = 20;
/** How many skus of a command a line shows. A command may name hundreds of products. */
const MAX_SKUS = 5;

interface LoggedLetter {
  readonly reason: string;
  readonly place: string;
  readonly fields: object;
  readonly text: string;
}

interface FailedDelivery {
  readonly error: Error;
  readonly action: Recovery['action'];
  readonly partition: number;
  readonly place: string;
  readonly fields: object;
}

/** Warns of messages that lead to dead letters, and of deliveries that fail. Counts repeats. */
export class DeliveryLog {
  readonly #letters: WarningCounter<LoggedLetter>;
  readonly #failures: WarningCounter<FailedDelivery>;

  constructor(warnings: RepeatedWarnings) {
    this.#letters = warnings.of({
      one: 'message became a dead letter',
      many: 'messages became dead letters',
      hint: 'List them: npx allocation dead-letters list',
      subjectOf: ({ reason }) => reason,
      maxSubjects: MAX_REASONS,
      forgets: true,
      describe: ({ place, reason, ...line }) => ({ ...line, name: `${place} (${reason})` }),
    });
    this.#failures = warnings.of({
      one: 'delivery failed',
      many: 'deliveries failed',
      subjectOf: ({ error, action }) => `${action} ${error.message}`,
      maxSubjects: MAX_FAILURES,
      forgets: true,
      describe: ({ error, action, partition, place, fields }) => ({
        fields,
        text: `Partition ${partition}: a delivery failed (${action}): ${error.message}`,
        name: `${place} (${action}): ${error.message}`,
      }),
    });
  }

  /** Takes the dead letters of one transaction, and all of its records. */
  noteDeadLetters(letters: readonly AnswerRecord[], records: readonly CommandRecord[]): void {
    const found = Map.groupBy(letters, ({ headers }) => String(headers['dead-letter-reason']));
    for (const [reason, alike] of found) {
      // The first one has a line of its own, if its reason has none yet.
      const [first, last] = [alike[0], alike.at(-1)] as [AnswerRecord, AnswerRecord];
      this.#letters.warn(letterOf(reason, first, records));
      if (alike.length > 1) this.#letters.warn(letterOf(reason, last, records), alike.length - 1);
    }
  }

  /** Notes that a delivery failed. @param first the first record of the delivery */
  noteFailure(
    error: Error,
    action: Recovery['action'],
    attempts: number,
    first: ReceivedRecord,
  ): void {
    const { partition } = first;
    const place = placeOf(first);
    const fields = { err: error, lane: laneName(first), place, attempts };
    this.#failures.warn({ error, action, partition, place, fields });
  }
}

function letterOf(
  reason: string,
  { headers, sourceOffset }: AnswerRecord,
  records: readonly CommandRecord[],
): LoggedLetter {
  const source = records.find(({ record }) => record.offset === sourceOffset);
  const place = source ? placeOf(source.record) : String(sourceOffset);
  return {
    reason,
    place,
    fields: {
      ...(source && { lane: laneName(source.record) }),
      offset: sourceOffset,
      reason,
      ...(source && idsOf(source)),
    },
    text: `Dead letter: ${headers['dead-letter-message']}`,
  };
}

/** Returns the ids to search by. An unreadable message has only a trace, perhaps. */
function idsOf({ record, incoming }: CommandRecord): object {
  if (incoming.kind === 'unreadable') return { traceId: traceIdOf(record.headers.traceparent) };
  const { id: commandId, command, traceparent } = incoming;
  const scope = scopeOf(command);
  return {
    commandId,
    type: command.type,
    orderid: scope.order(command) ?? undefined,
    reference: scope.batch(command) ?? undefined,
    sku: scope.skus(command).slice(0, MAX_SKUS).join(', ') || undefined,
    traceId: traceIdOf(traceparent),
  };
}
