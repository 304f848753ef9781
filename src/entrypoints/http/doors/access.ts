/** What a token allows. Each role includes the roles before it. */
export const ROLES = ['read', 'publish', 'operate'] as const;
export type Role = (typeof ROLES)[number];

/** Who may use a route: everybody, or a caller whose role includes this one. */
export type Access = 'open' | Role;

/** The sender of a request, as a token names it. */
export interface Caller {
  readonly name: string;
  /** Null: the token is valid, and allows nothing here. */
  readonly role: Role | null;
}

/** Finds the caller of a token. */
export interface TokenSource {
  /**
   * Returns the caller; null: another source may know the token.
   * @throws {InvalidTokenError} the source refuses the token, and says why
   * @throws {TroubleError} the source cannot check the token now
   */
  callerOf(token: string): Promise<Caller | null>;
}

/** A token is not valid. The message tells the client why, and shows nothing of the token. */
export class InvalidTokenError extends Error {}

/** Tells whether the role is the needed one, or includes it. */
export function includes(role: Role | null, needed: Role): boolean {
  return role !== null && ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/** Returns the role that includes all others in the list. Unknown names do not count. */
export function highestRole(names: readonly unknown[]): Role | null {
  return ROLES.findLast((role) => names.includes(role)) ?? null;
}
