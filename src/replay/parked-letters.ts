import type { CutList } from '../dead-letters/encode-dead-letter.ts';
import { type Fate, Fates, isMarker } from '../dead-letters/markers.ts';
import { headOf } from '../dead-letters/read-dead-letter.ts';
import type { Command } from '../domain/commands.ts';
import type { Identity } from '../domain/identity.ts';
import { subjectOfSku, subjectsNamedBy } from '../domain/subjects.ts';
import { readCommand } from '../messages/read-command.ts';
import type { Broker, ReadChunk } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';

/** What a rebuild needs of a dead letter whose command has a position among the parked ones. */
export interface ParkedLetter {
  /** The place of the dead letter. */
  readonly id: string;
  readonly partition: number;
  readonly offset: number;
  /** The place of the message that failed. */
  readonly original: string;
  readonly identity: Identity;
  readonly subjects: readonly string[];
  readonly behind: readonly Identity[];
  /** What the dead letter has no room for. */
  readonly cut: readonly CutList[];
  /** The command, if something is cut and the dead letter still has the command. */
  readonly command: Command | null;
  readonly position: number;
  readonly redrives: number;
  readonly failedAt: string;
}

/**
 * Reads the newest dead letter of each command that has a position among the parked ones, with what
 * an operator has done with it. Keeps in memory these dead letters, all fates, and one chunk.
 */
export async function readNewestLetters(
  broker: Broker,
  topic: string,
  signal: AbortSignal,
): Promise<readonly (ParkedLetter & Fate)[]> {
  const newest = new Map<Identity, ParkedLetter>();
  const fates = new Fates();
  const take = async ({ records }: ReadChunk) => {
    for (const record of records) {
      if (isMarker(record)) {
        fates.add(record);
        continue;
      }
      const letter = parkedLetter(record);
      const known = letter && newest.get(letter.identity);
      if (letter && (!known || !isNewer(known, letter))) newest.set(letter.identity, letter);
    }
  };
  await broker.read(topic, await broker.offsetRanges(topic), take, signal);
  return [...newest.values()].map((letter) => ({ ...letter, ...fates.of(letter.id) }));
}

function parkedLetter(record: ReceivedRecord): ParkedLetter | null {
  const { skus, cut = [], position, commandId, ...head } = headOf(record);
  if (position === null) return null;
  const read = readCommand(record, commandId);
  const named = read.kind === 'command' ? subjectsNamedBy(read.command) : [];
  return {
    id: head.id,
    partition: record.partition,
    offset: record.offset,
    original: head.original,
    identity: head.identity,
    subjects: [...new Set([...named, ...skus.map(subjectOfSku)])],
    behind: head.behind,
    cut,
    command: read.kind === 'command' && cut.length > 0 ? read.command : null,
    position,
    redrives: head.redrives,
    failedAt: head.failedAt,
  };
}

/**
 * Tells whether the first dead letter is newer. The count of redrives decides before any clock,
 * because the clock of the process that failed again may be behind. Between equal counts in
 * different partitions, only the clocks can decide.
 */
function isNewer(one: ParkedLetter, other: ParkedLetter): boolean {
  if (one.redrives !== other.redrives) return one.redrives > other.redrives;
  return one.partition === other.partition
    ? one.offset > other.offset
    : one.failedAt > other.failedAt;
}
