import type { AnswerReader, Watch } from '../entrypoints/answered-offsets.ts';
import type { Broker } from '../service-layer/broker.ts';

/**
 * Reads how far the group has answered each partition of the commands topic. The published answers
 * replace a committed offset that Kafka has lost.
 * @returns one offset for each partition; null: the group has answered nothing there
 * @throws {TroubleError} the log cannot be reached
 * @throws the signal's reason
 */
export async function readGroupOffsets(
  broker: Broker,
  { group, commandsTopic }: { readonly group: string; readonly commandsTopic: string },
  answers: AnswerReader,
  watch: Watch,
): Promise<readonly (number | null)[]> {
  const committed = await broker.committedOffsets(group, commandsTopic);
  if (!committed.includes(null)) return committed;
  const ranges = await broker.offsetRanges(commandsTopic);
  const isLost = committed.some(
    (offset, partition) =>
      offset === null && (ranges.find((range) => range.partition === partition)?.end ?? 0) > 0,
  );
  if (!isLost) return committed;
  const { nextOffsets } = await answers.read(commandsTopic, watch);
  return committed.map((offset, partition) => offset ?? nextOffsets.get(partition) ?? null);
}
