import type { CommittedProgress, LaneTransaction } from '../service-layer/lane-store.ts';
import { traceIdOf } from '../tracing/trace-id.ts';
import type { DeliveryPart } from './answer-context.ts';
import { answerDelivery, UnsettledError } from './answer-delivery.ts';
import type { AnswerTally } from './answer-tally.ts';
import type { LaneContext } from './lane-context.ts';
import { Held } from './memory-budget.ts';
import type { StepTimes } from './metrics/transaction-metrics.ts';
import { estimateBytes } from './outbox-chunks.ts';
import { type CommandRecord, productsNamedIn } from './read-delivery.ts';

/** What one transaction has committed for a part of a delivery. */
export interface CommittedPart {
  readonly progress: CommittedProgress;
  readonly tally: AnswerTally | null;
}

/**
 * Answers a part of a delivery in one transaction, in the turn of its products.
 *
 * @param closing no transaction begins after the signal has aborted
 * @param times gets the duration of each step
 * @returns null: the lane is closing. A number: the index of the command that would be rejected too
 * early, and nothing has changed.
 */
export async function commitPart(
  part: DeliveryPart,
  { store, answerContext, relayBudget, productTurns }: LaneContext,
  closing: AbortSignal,
  times: StepTimes,
): Promise<CommittedPart | number | null> {
  const inHand = new Held(relayBudget);
  let tally = null as AnswerTally | null;
  const work = async (transaction: LaneTransaction) => {
    times.end('begin');
    const progress = await answerDelivery(part, transaction, answerContext);
    times.end('handle');
    tally = progress.tally;
    inHand.set(estimateBytes(progress.outbox));
    return progress;
  };
  const turn = productTurns.take(productsNamedIn(part.records), async () => {
    if (closing.aborted) return null;
    times.end('wait');
    return store.transaction(part.lane, part.position, work).catch(indexOfUnsettled);
  });
  const progress = await (part.trace?.endAfter(turn) ?? turn).finally(() => inHand.set(0));
  return progress === null || typeof progress === 'number' ? progress : { progress, tally };
}

/** Tells the metrics and the log what became of the part. */
export function reportPart(
  { progress, tally }: CommittedPart,
  records: readonly CommandRecord[],
  { answerContext, deliveryLog, unknownFields }: LaneContext,
  times: StepTimes,
): void {
  const { metrics, deadLettersTopic } = answerContext;
  metrics.transactions.observe(times, traceIdOf(firstTraceparent(records)));
  if (tally !== null) metrics.commands.countAnswers(tally);
  unknownFields.note(records);
  const letters = progress.outbox.filter(({ topic }) => topic === deadLettersTopic);
  if (letters.length === 0) return;
  metrics.commands.countDeadLetters(letters);
  deliveryLog.noteDeadLetters(letters, records);
}

/** Returns the traceparent of the first command. An exemplar names one trace. */
function firstTraceparent([first]: readonly CommandRecord[]): string | null {
  return first?.incoming.kind === 'command' ? first.incoming.traceparent : null;
}

function indexOfUnsettled(error: unknown): number {
  if (error instanceof UnsettledError) return error.index;
  throw error;
}
