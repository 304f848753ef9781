import { scopeOf } from '../domain/command-scopes.ts';
import type { Command } from '../domain/commands.ts';

/**
 * The partition of the commands topic for all commands from the HTTP API and the command line. One
 * partition keeps the order of acceptance between any two of these commands. That order does not
 * depend on their keys, on the accepting instance, or on added partitions.
 */
export const FRONT_DOOR_PARTITION = 0;

/** Makes the record key of a command. Commands with the same key share a partition. */
export function commandKey(command: Command): string {
  return scopeOf(command).key(command);
}
