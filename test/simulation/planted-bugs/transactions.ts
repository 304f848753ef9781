import { answering, atOnce, committing, inTwo, type Parts, withStore } from './planting.ts';

/** Bugs of the database transaction that answers a delivery. */
export const transactionPlants = {
  'the owner of a lane is not asked for': (parts) =>
    withStore(parts, {
      transaction: async (lane, expected, work) =>
        parts.store.transaction(
          lane,
          { ...expected, ...(await parts.store.readPosition(lane)) },
          work,
        ),
    }),
  'a transaction is tried again after any error': (parts) =>
    withStore(parts, {
      transaction: (lane, expected, work) =>
        parts.store
          .transaction(lane, expected, work)
          .catch(async () =>
            parts.store.transaction(lane, await parts.store.readPosition(lane), work),
          ),
    }),
  'the position is written in a transaction of its own': (parts) =>
    inTwo(parts, (whole, { nextOffset }) => ({ ...whole, next: { ...whole.next, nextOffset } })),
  'the outbox is written in a transaction of its own': (parts) =>
    inTwo(parts, (whole) => ({ ...whole, outbox: [] })),
  'a lane stands one command too far': (parts) =>
    committing(parts, (progress) => ({
      ...progress,
      next: { ...progress.next, nextOffset: progress.next.nextOffset + 1 },
    })),
  'outbox rows are deleted before they are published': (parts) =>
    committing(parts, (progress) => ({
      ...progress,
      publishedBelowOffset: progress.next.nextOffset,
    })),
  'answers go out before the commit': (parts) =>
    committing(parts, (progress) => atOnce(parts, progress, () => true)),
  'answers go out before those that they rest on': (parts) =>
    committing(parts, (progress) => ({ ...progress, restsOn: [] })),
  'dead letters go out before the commit': (parts) =>
    committing(parts, (progress) =>
      atOnce(parts, progress, ({ topic }) => topic === parts.answerContext.deadLettersTopic),
    ),
  'dead letters are dropped': (parts) =>
    committing(parts, (progress) => ({
      ...progress,
      outbox: progress.outbox.filter(({ topic }) => topic !== parts.answerContext.deadLettersTopic),
    })),
  'a handler never succeeds on some good commands': (parts) =>
    answering(parts, (command) => {
      if ('orderid' in command && command.orderid.endsWith('7'))
        throw new Error('The handler has a bug');
    }),
} satisfies Record<string, (parts: Parts) => Parts>;
