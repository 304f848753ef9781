import { type History, type HistoryRecord, placeOf } from '../support/judge/history.ts';

/**
 * A command was rejected as unknown before an earlier accepted command was decided, which makes the
 * unknown thing known.
 */
export interface TooEarly {
  readonly kind: 'too-early';
  readonly detail: string;
}

interface Told extends Readonly<Record<string, unknown>> {
  readonly type: string;
}

/** The answer to a command at one place. */
interface Decision {
  readonly place: string;
  readonly id: string;
  readonly acceptedMs: number;
  /** The decision may not have seen what was decided after this time. */
  readonly sinceAt: string;
  readonly decidedAt: string;
  readonly events: readonly Told[];
}

/**
 * Looks for rejections that came too early. The simulated log stamps a record at the moment when it
 * acknowledges it, so the stamps of all lanes compare.
 * @param waitedInVainAt when a lane first waited in vain: from then on it may reject too early
 */
export function rejectedTooEarly(history: History, waitedInVainAt: string): readonly TooEarly[] {
  const decisions = decisionsOf(history);
  const making = new Map<string, Decision[]>();
  for (const decision of decisions) {
    for (const name of decision.events.flatMap(madeKnown))
      making.set(name, [...(making.get(name) ?? []), decision]);
  }
  return decisions
    .filter(({ decidedAt }) => decidedAt < waitedInVainAt)
    .flatMap((rejected) => {
      const names = rejected.events.flatMap(unknownNames);
      const earlier = names
        .flatMap((name) => making.get(name) ?? [])
        .find(
          ({ acceptedMs, decidedAt }) =>
            acceptedMs < rejected.acceptedMs && decidedAt > rejected.sinceAt,
        );
      const detail =
        `${rejected.place}: ${names} at ${rejected.sinceAt}, though ${earlier?.place}, ` +
        `decided at ${earlier?.decidedAt}, was accepted before`;
      return earlier ? [{ kind: 'too-early' as const, detail }] : [];
    });
}

/** Returns the decisions of first attempts. A redrive decides what is among the dead letters. */
function decisionsOf({ commands, events, deadLetters }: History): readonly Decision[] {
  const accepted = new Map(
    commands.map((record) => [
      placeOf(record),
      (record as HistoryRecord & { timestampMs: number }).timestampMs,
    ]),
  );
  const dead = new Set(deadLetters.map(({ value }) => String(value)));
  const values = new Map(commands.map((record) => [placeOf(record), String(record.value)]));
  return events.flatMap(({ headers, value, madeAt = '', sinceAt = madeAt }) => {
    const [, place = ''] = /^(.+?\/\d+\/\d+)(\.\d+)?$/.exec(headers.ce_id ?? '') ?? [];
    const acceptedMs = accepted.get(place);
    if (acceptedMs === undefined || dead.has(values.get(place) ?? '')) return [];
    return [
      {
        place,
        id: headers.ce_causationid ?? '',
        acceptedMs,
        sinceAt,
        decidedAt: madeAt,
        events: toldBy(headers.ce_type ?? '', String(value)),
      },
    ];
  });
}

function toldBy(type: string, value: string): readonly Told[] {
  try {
    const body = JSON.parse(value);
    if (type !== 'CompositeDomainEvent') return [{ ...body, type }];
    return body.events.map((event: { type: string; data: object }) => ({
      ...event.data,
      type: event.type,
    }));
  } catch {
    // The judge reports that this is no event.
    return [];
  }
}

function madeKnown({ type, reference, sku, orderid }: Told): readonly string[] {
  if (type === 'BatchCreated') return [`batch ${reference}`, `sku ${sku}`];
  return type === 'Allocated' ? [`order ${orderid}`, `order ${orderid} of ${sku}`] : [];
}

function unknownNames({ type, reason, reference, sku, orderid }: Told): readonly string[] {
  if (type !== 'CommandRejected') return [];
  if (reason === 'unknown-batch') return [`batch ${reference}`];
  if (reason === 'unknown-sku') return [`sku ${sku}`];
  if (reason === 'unknown-order')
    return [sku === undefined ? `order ${orderid}` : `order ${orderid} of ${sku}`];
  return [];
}
