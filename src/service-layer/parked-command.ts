import type { Command } from '../domain/commands.ts';
import type { Identity } from '../domain/identity.ts';

/** A command whose handler failed, or a command held back behind it. */
export interface ParkedCommand {
  readonly id: Identity;
  /** The products, batches and orders that the command is about. */
  readonly subjects: readonly string[];
  /** The failed commands that this command waits for. Empty: this command itself has failed. */
  readonly behind: readonly Identity[];
  /** The order of parked commands: if two share a subject, the lower position goes first. */
  readonly position: number;
  /** Whether an operator has sent the command again, and the command is still on its way. */
  readonly isRedriven: boolean;
}

/** What a transaction must know of the parked commands. */
export interface ParkedSnapshot {
  /** The parked commands that matter to the transaction, in the order of their positions. */
  readonly commands: readonly ParkedCommand[];
  /** The highest position of all parked commands. 0: nothing is parked. */
  readonly lastPosition: number;
  /** The number of all parked commands that no operator has sent again. */
  readonly notRedriven: number;
}

/** A command with its identity. */
export interface IdentifiedCommand {
  readonly identity: Identity;
  readonly command: Command;
}

/** What a transaction changes among the parked commands. */
export interface ParkedChanges {
  /** The commands to insert, or to replace. They have no answer yet. */
  readonly parked: readonly ParkedCommand[];
  /** The commands to delete: they are answered, or parked under another identity now. */
  readonly gone: readonly Identity[];
  /** The identities under which unanswered commands were claimed. */
  readonly unanswered: readonly Identity[];
}
