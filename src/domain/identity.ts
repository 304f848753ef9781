/**
 * Identifies a command. Two messages with the same identity are the same command.
 *
 * | command | identity |
 * | --- | --- |
 * | a CloudEvent | `<source>\t<id>` |
 * | plain JSON with an id | `<id>` |
 * | plain JSON without an id | `\t<place>` |
 * | redriven, and without an id | `/allocation/dead-letters#<digest>\t<place>` |
 * | answered or parked before migration-20261126210000 | `\t\t<id>` |
 *
 * Ids and sources have no control characters. So the tab tells the forms apart, and no sender can
 * make the identity of a place.
 */
export type Identity = string;

const TAB = '\t';
/** Begins an identity that a release before migration-20261126210000 wrote. */
const FORMER = '\t\t';
/** `<topic>/<partition>/<offset>` */
const PLACE = /^[^/]+\/\d+\/\d+$/;

/** The source of a redriven command that has no id. */
export const REDRIVE_SOURCE = '/allocation/dead-letters';
/** Stands before the digest of the redriven message. No message may have this source itself. */
const DIGESTED = `${REDRIVE_SOURCE}#`;

/**
 * Makes the identity of a command.
 *
 * @param envelope the attributes of the message; plain JSON has no source, and may have no id
 * @param place of the message: `topic/partition/offset`
 */
export function identityOf(
  { source, id }: { readonly source: string | null; readonly id: string | null },
  place: string,
): Identity {
  if (id === null) return `${TAB}${place}`;
  return source === null ? id : `${source}${TAB}${id}`;
}

/** Tells whether the message claims to be a redriven command without an id. */
export function isRedrivenPlace({
  source,
  id,
}: {
  readonly source: string | null;
  readonly id: string | null;
}): boolean {
  return source === REDRIVE_SOURCE && id !== null && PLACE.test(id);
}

/**
 * Makes the identity of a redriven command without an id.
 *
 * A sender can guess a place before any record lies there. So the identity includes a digest of
 * the message. A sender that uses the identity first has sent the same command, and no other
 * command is lost.
 *
 * @param digest of the message's type and bytes, in hexadecimal digits
 */
export function redrivenIdentity(place: string, digest: string): Identity {
  return `${DIGESTED}${digest}${TAB}${place}`;
}

/** Returns a redriven identity in the form before digests. No new command gets this form. */
export function withoutDigest(identity: Identity): Identity {
  return `${REDRIVE_SOURCE}${TAB}${idOf(identity)}`;
}

/** Tells whether only this service may use the source. The HTTP API refuses callers that use it. */
export function isRedriveSource(source: string | null): boolean {
  return source === REDRIVE_SOURCE || hasDigest(source);
}

/** Tells whether the source has the form that only `redrivenIdentity` makes. */
export function hasDigest(source: string | null): boolean {
  return source?.startsWith(DIGESTED) === true;
}

/** Makes the identity under which a former release kept a command. That release knew only ids. */
export function formerIdentity(id: string): Identity {
  return `${FORMER}${id}`;
}

/** Tells whether a former release wrote the identity. */
export function isFormer(identity: Identity): boolean {
  return identity.startsWith(FORMER);
}

/** Tells whether the identity belongs to a command without an id. */
export function isPlace(identity: Identity): boolean {
  return identity.startsWith(TAB) && !isFormer(identity);
}

/** Returns the command's id. A command without an id has its place instead. */
export function idOf(identity: Identity): string {
  return identity.slice(identity.lastIndexOf(TAB) + 1);
}

/** Returns the source of a CloudEvent; null: the identity has none. */
export function sourceOf(identity: Identity): string | null {
  const end = identity.indexOf(TAB);
  return end > 0 ? identity.slice(0, end) : null;
}

/**
 * Returns the identity under which the command is parked. A command without an id is parked under
 * its place. A redrive sends it as a CloudEvent with that place as the id.
 */
export function parkedIdentity(identity: Identity): Identity {
  const id = idOf(identity);
  return isRedriveSource(sourceOf(identity)) && PLACE.test(id) ? `${TAB}${id}` : identity;
}
