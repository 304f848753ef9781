import { setImmediate as nextTurn } from 'node:timers/promises';
import { skusNamedBy } from '../domain/subjects.ts';
import { type IncomingCommand, readCommand, type UnreadableMessage } from '../messages/incoming.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';

/** A record of the commands topic, and the command in it. */
export interface CommandRecord {
  readonly record: ReceivedRecord;
  readonly incoming: IncomingCommand | UnreadableMessage;
}

/** Returns the place of a record. A command without an id has its place as its id. */
export function placeOf({ topic, partition, offset }: ReceivedRecord): string {
  return `${topic}/${partition}/${offset}`;
}

/** Reads the commands in the records: step 2 of a message's way. */
export async function readRecords(
  records: readonly ReceivedRecord[],
): Promise<readonly CommandRecord[]> {
  const commands: CommandRecord[] = [];
  for (const record of records) {
    commands.push({ record, incoming: readCommand(record, placeOf(record)) });
    if (commands.length % STRETCH_RECORDS === 0) await nextTurn();
  }
  return commands;
}

/** Lists the products that the commands name. */
export function productsNamedIn(records: readonly CommandRecord[]): ReadonlySet<string> {
  return new Set(
    records.flatMap(({ incoming }) =>
      incoming.kind === 'command' ? skusNamedBy(incoming.command) : [],
    ),
  );
}

/**
 * How many records are read, or encoded, without a pause. They take about a millisecond. Then
 * sockets, timers and other lanes have their turn.
 */
export const STRETCH_RECORDS = 250;
