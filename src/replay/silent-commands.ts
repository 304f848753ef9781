import { redrivesOf } from '../dead-letters/encode-dead-letter.ts';
import { isMarker } from '../dead-letters/markers.ts';
import { headOf } from '../dead-letters/read-dead-letter.ts';
import { type Identity, parkedIdentity } from '../domain/identity.ts';
import { placeOf } from '../domain/place.ts';
import { readCommand } from '../messages/read-command.ts';
import type { Broker, ReadChunk } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { nextOffsets, rangesBelow } from './offset-ranges.ts';
import type { RebuildPlan } from './rebuild-plan.ts';

/**
 * Reads which commands the lanes have passed and answered, as far as the commands topic reaches
 * back. The events topic does not know all of them: some were answered with no event.
 *
 * A command that went to the dead letters has no answer, nor has its repeat in the same delivery.
 * Each redrive raises the message's count of redrives. So a message is answered if its count is
 * higher than the count of every dead letter of its command. If dead letters may have been deleted,
 * nothing is certain, and nothing is read.
 *
 * @param take gets the commands of one chunk after the other
 * @throws the signal's reason
 */
export async function readAnsweredCommands(
  broker: Broker,
  {
    commandsTopic,
    deadLettersTopic,
    positions,
  }: Pick<RebuildPlan, 'commandsTopic' | 'deadLettersTopic' | 'positions'>,
  take: (answered: readonly Identity[]) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  if (await mayLackLetters(broker, deadLettersTopic)) return;
  const redrives = await highestRedrives(broker, deadLettersTopic, signal);
  // Retention may have deleted dead letters while they were read.
  if (await mayLackLetters(broker, deadLettersTopic)) return;
  const isAnswered = (record: ReceivedRecord, identity: Identity) =>
    redrivesOf(record) > (redrives.get(parkedIdentity(identity)) ?? -1);
  const ranges = rangesBelow(await broker.offsetRanges(commandsTopic), nextOffsets(positions));
  const takeChunk = async ({ records }: ReadChunk) => {
    const answered = records.flatMap((record) => {
      const read = readCommand(record, placeOf(record));
      return read.kind === 'command' && isAnswered(record, read.identity) ? [read.identity] : [];
    });
    await take(answered);
  };
  await broker.read(commandsTopic, ranges, takeChunk, signal);
}

async function mayLackLetters(broker: Broker, topic: string): Promise<boolean> {
  const hasLost = (await broker.offsetRanges(topic)).some(({ beginning }) => beginning > 0);
  return hasLost || broker.isCompacted(topic);
}

/**
 * Finds the highest count of redrives among the dead letters of each command. Keeps in memory one
 * identity and one number for each such command, and one chunk.
 */
async function highestRedrives(
  broker: Broker,
  topic: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<Identity, number>> {
  const highest = new Map<Identity, number>();
  const take = async ({ records }: ReadChunk) => {
    for (const record of records) {
      if (isMarker(record)) continue;
      const { identity, redrives } = headOf(record);
      highest.set(identity, Math.max(redrives, highest.get(identity) ?? 0));
    }
  };
  await broker.read(topic, await broker.offsetRanges(topic), take, signal);
  return highest;
}
