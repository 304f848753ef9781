import type { AnswerReader, Watch } from '../entrypoints/answered-offsets.ts';
import type { Broker } from '../service-layer/broker.ts';

/**
 * How far the group has answered each partition of the commands. Where Kafka has lost its committed offset, the published
 * answers say it.
 * @returns null: nothing was answered there
 * @throws {TroubleError} the log cannot be reached
 * @throws the signal's reason
 */
export async function readGroupPositions(
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
