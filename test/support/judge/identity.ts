/** The origin that a command states, and that its answer must repeat. */
export interface Origin {
  readonly id: string;
  /**
   * Two commands with one identity are the same command. The identity is source and id, or the id
   * alone, or the place.
   */
  readonly identity: string;
  /** The source of a CloudEvent. Null: the command is plain JSON. */
  readonly source: string | null;
  /** Whether the place of the command serves as its id. */
  readonly isPlace: boolean;
  readonly correlationId: string;
  /** Null: the command has none that is valid. */
  readonly traceparent: string | null;
}

type Headers = Readonly<Record<string, string>>;
type Named = Pick<Origin, 'id' | 'source' | 'isPlace'>;

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const REDRIVEN_PLACE = /^\/allocation\/dead-letters(?:#[0-9a-f]{64})?\t([^/]+\/\d+\/\d+)$/;

/**
 * Returns the origin that a command states.
 * @param event the whole CloudEvent, in structured mode
 */
export function originOf(
  { id, source, isPlace }: Named,
  headers: Headers,
  event: Readonly<Record<string, unknown>> = {},
): Origin {
  const traces = [
    event.traceparent,
    headers.traceparent,
    headers.ce_specversion === undefined ? null : headers.ce_traceparent,
  ];
  const traceparent =
    traces.find((each): each is string => typeof each === 'string' && TRACEPARENT.test(each)) ??
    null;
  const correlationId =
    event.specversion === undefined ? headers.ce_correlationid : event.correlationid;
  return {
    id,
    identity: identityOf({ id, source, isPlace }),
    source,
    isPlace,
    correlationId: typeof correlationId === 'string' ? correlationId : id,
    traceparent,
  };
}

/** Returns the identity of the command that an event answers, from the headers of the event. */
export function identityAnswered({
  ce_causationid: id = '',
  ce_causationsource: source,
  ce_causationform: form,
}: Headers): string {
  if (source === undefined && form === undefined) return formerIdentity(id);
  return identityOf({ id, source: source ?? null, isPlace: form === 'place' });
}

/**
 * Returns the identity that the service has kept. A command that was redriven has the identity of
 * its first place.
 */
export function identityIn(kept: string): string {
  return kept.replace(REDRIVEN_PLACE, '\t$1');
}

/** Returns the identity by which a former release knew a command: its id alone. */
export function formerIdentity(id: string): string {
  return `\t\t${id}`;
}

function identityOf({ id, source, isPlace }: Named): string {
  return identityIn(isPlace ? `\t${id}` : source === null ? id : `${source}\t${id}`);
}
