/**
 * A command's identity: the same identity again is the same command.
 *
 * | the command | its identity |
 * | --- | --- |
 * | a CloudEvent | `<source>\t<id>` |
 * | plain JSON with an id | `<id>` |
 * | plain JSON without an id | `\t<place>` |
 * | a place that `dead-letters redrive` sends again | `/allocation/dead-letters#<digest>\t<place>` |
 * | one that a release before migration-20261126210000 has answered or parked | `\t\t<id>` |
 *
 * Neither ids nor sources have control characters. So the tab tells the forms apart, and no sender
 * can make the identity of a place.
 */
export type Identity = string;

const TAB = '\t';
const FORMER = '\t\t';
/** `<topic>/<partition>/<offset>` */
const PLACE = /^[^/]+\/\d+\/\d+$/;

/** The source of the messages that `dead-letters redrive` sends in its own name. */
export const REDRIVE_SOURCE = '/allocation/dead-letters';
/** Before the digest of what is sent again. No message may have such a source itself. */
const DIGESTED = `${REDRIVE_SOURCE}#`;

/**
 * Makes the identity of a command.
 *
 * @param said what the message says of itself; plain JSON has no source, and may have no id
 * @param place where the message lies: `topic/partition/offset`
 */
export function identityOf(
  { source, id }: { readonly source: string | null; readonly id: string | null },
  place: string,
): Identity {
  if (id === null) return `${TAB}${place}`;
  return source === null ? id : `${source}${TAB}${id}`;
}

/** Whether the message says to be a command without an id that is sent again. */
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
 * The identity of a command without an id that is sent again. A place can be guessed before
 * anything lies there. So the identity has a digest of what is sent: a sender that takes it
 * beforehand has sent the same command, and no other command is lost by that.
 *
 * @param digest of the type and the bytes of the message, in hexadecimal digits
 */
export function redrivenIdentity(place: string, digest: string): Identity {
  return `${DIGESTED}${digest}${TAB}${place}`;
}

/** What the redriven identity was before it had a digest. Nobody can make it any more. */
export function withoutDigest(identity: Identity): Identity {
  return `${REDRIVE_SOURCE}${TAB}${idOf(identity)}`;
}

/** Whether the source belongs to what the service itself sends. Over HTTP nobody may use it. */
export function isRedriveSource(source: string | null): boolean {
  return source === REDRIVE_SOURCE || hasDigest(source);
}

/** Whether the source has the form that only `redrivenIdentity` makes. */
export function hasDigest(source: string | null): boolean {
  return source?.startsWith(DIGESTED) === true;
}

/** The identity under which a former release kept a command: it knew ids alone. */
export function formerIdentity(id: string): Identity {
  return `${FORMER}${id}`;
}

export function isFormer(identity: Identity): boolean {
  return identity.startsWith(FORMER);
}

/** Whether it is the identity of a command without an id. */
export function isPlace(identity: Identity): boolean {
  return identity.startsWith(TAB) && !isFormer(identity);
}

/** The command's id; without one its place. */
export function idOf(identity: Identity): string {
  return identity.slice(identity.lastIndexOf(TAB) + 1);
}

/** The source of a CloudEvent; null: the identity has none. */
export function sourceOf(identity: Identity): string | null {
  const end = identity.indexOf(TAB);
  return end > 0 ? identity.slice(0, end) : null;
}

/**
 * The identity under which the command waits when it is parked. A command without an id waits under
 * its place, and is sent again as an event with the place as its id.
 */
export function parkedIdentity(identity: Identity): Identity {
  const id = idOf(identity);
  return isRedriveSource(sourceOf(identity)) && PLACE.test(id) ? `${TAB}${id}` : identity;
}
