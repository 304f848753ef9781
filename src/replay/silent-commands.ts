import { headOf, isMarker } from '../dead-letters/dead-letter-box.ts';
import { redrivesOf } from '../dead-letters/dead-letter-headers.ts';
import { type Identity, parkedIdentity } from '../domain/identity.ts';
import { readCommand } from '../messages/incoming.ts';
import type { Broker, Delivery } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import type { RebuildPlan } from './rebuild-plan.ts';

/**
 * Reads which commands the lanes have passed and answered, as far as the commands topic reaches
 * back. Some were answered with no event, and the events topic does not know them.
 *
 * A command that went to the dead letters has no answer, nor has its repeat in the same delivery.
 * Each redrive raises the message's count. So a message is answered if its count is higher than that
 * of every dead letter of its command. If dead letters may have been deleted, nothing is certain,
 * and nothing is read.
 *
 * @param take gets the commands of one delivery after the other
 * @throws what the signal was aborted with
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
  // Retention may have overtaken the reading.
  if (await mayLackLetters(broker, deadLettersTopic)) return;
  const isAnswered = (record: ReceivedRecord, identity: Identity) =>
    redrivesOf(record) > (redrives.get(parkedIdentity(identity)) ?? -1);
  const passed = new Map(positions.map(({ partition, nextOffset }) => [partition, nextOffset]));
  const ranges = (await broker.offsetRanges(commandsTopic)).map(({ partition, beginning, end }) => {
    return {
      partition,
      beginning,
      end: Math.max(beginning, Math.min(end, passed.get(partition) ?? 0)),
    };
  });
  const taken = async ({ records }: Delivery) => {
    const answered = records.flatMap((record) => {
      const read = readCommand(record, `${record.topic}/${record.partition}/${record.offset}`);
      return read.kind === 'command' && isAnswered(record, read.identity) ? [read.identity] : [];
    });
    await take(answered);
  };
  await broker.read(commandsTopic, ranges, taken, signal);
}

async function mayLackLetters(broker: Broker, topic: string): Promise<boolean> {
  const hasLost = (await broker.offsetRanges(topic)).some(({ beginning }) => beginning > 0);
  return hasLost || broker.isCompacted(topic);
}

/** Holds an identity and a number of each command, and one delivery. */
async function highestRedrives(
  broker: Broker,
  topic: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<Identity, number>> {
  const highest = new Map<Identity, number>();
  const take = async ({ records }: Delivery) => {
    for (const record of records) {
      if (isMarker(record)) continue;
      const { identity, redrives } = headOf(record);
      highest.set(identity, Math.max(redrives, highest.get(identity) ?? 0));
    }
  };
  await broker.read(topic, await broker.offsetRanges(topic), take, signal);
  return highest;
}
