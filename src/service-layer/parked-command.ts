import type { Command } from '../domain/commands.ts';
import type { Identity } from '../domain/identity.ts';

/** A command on which a handler failed, or one that must not overtake such a one. */
export interface ParkedCommand {
  readonly id: Identity;
  /** The products, batches and orders that it is about. */
  readonly subjects: readonly string[];
  /** The failed commands that it waits for; empty: it is one itself. */
  readonly behind: readonly Identity[];
  /** Of two with a subject in common the lower goes first. */
  readonly position: number;
  /** An operator has sent it again, and it has not arrived yet. */
  readonly isRedriven: boolean;
}

/** What a transaction must know of parked commands. */
export interface Parked {
  /** Those that matter to it, in the order of their positions. */
  readonly commands: readonly ParkedCommand[];
  /** The highest position of any parked command. 0 means that nothing is parked. */
  readonly lastPosition: number;
  /** How many commands are parked in all, without those that an operator has sent again. */
  readonly standing: number;
}

/** A command, and what it is known by. */
export interface IdentifiedCommand {
  readonly identity: Identity;
  readonly command: Command;
}

export interface ParkedChanges {
  /** New, or to be replaced. They have no answer yet. */
  readonly parked: readonly ParkedCommand[];
  /** Those that have been answered, or are parked under another identity. */
  readonly gone: readonly Identity[];
  /** What the parked commands were claimed as: they are not answered. */
  readonly unanswered: readonly Identity[];
}
