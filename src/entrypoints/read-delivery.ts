import { setImmediate as nextTurn } from 'node:timers/promises';
import { redrivesOf } from '../dead-letters/encode-dead-letter.ts';
import { placeOf } from '../domain/place.ts';
import { skusNamedBy } from '../domain/subjects.ts';
import { type IncomingCommand, readCommand } from '../messages/read-command.ts';
import type { UnreadableMessage } from '../messages/unreadable.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';

/** A record of the commands topic, and the command in it. */
export interface CommandRecord {
  readonly record: ReceivedRecord;
  readonly incoming: IncomingCommand | UnreadableMessage;
}

/**
 * Reads the commands in the records: step 2 of a message's way.
 *
 * @param isStrict whether to refuse commands with unknown fields. A redriven command is not
 * refused: an operator has decided to send it, and others may be parked behind it.
 */
export async function readRecords(
  records: readonly ReceivedRecord[],
  isStrict: boolean,
): Promise<readonly CommandRecord[]> {
  const commands: CommandRecord[] = [];
  for (const record of records) {
    const strictness = isStrict && redrivesOf(record) === 0 ? 'strict' : 'lenient';
    commands.push({ record, incoming: readCommand(record, placeOf(record), strictness) });
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
 * How many records are read, or encoded, without a pause. That takes about a millisecond. After the
 * pause, sockets, timers and other lanes have had their turn.
 */
export const STRETCH_RECORDS = 250;
