/**
 * A command's identity: the same identity again is the same command.
 *
 * | the command | its identity |
 * | --- | --- |
 * | a CloudEvent | `<source>\t<id>` |
 * | plain JSON with an id | `<id>` |
 * | plain JSON without an id | `\t<place>` |
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

/**
 * Makes the identity of a command.
 *
 * @param said what the message says of itself; plain JSON has no source, and may have no id
 * @param place where the message lies: `topic/partition/offset`
 */
export function identityOf({ source, id }: { readonly source: string | null; readonly id: string | null }, place: string): Identity {
  if (id === null) return `${TAB}${place}`;
  return source === null ? id : `${source}${TAB}${id}`;
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
  return sourceOf(identity) === REDRIVE_SOURCE && PLACE.test(id) ? `${TAB}${id}` : identity;
}
