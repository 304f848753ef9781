import { CODES } from './codes.ts';
import type { Handlers, Model, Producer, Question } from './model.ts';

interface Identity {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

/**
 * Returns the error code with which the coordinator of the transactional id, or of the group,
 * refuses the request; 0 when it does not.
 */
function refusedTo(
  model: Model,
  coordinator: number,
  question: Question,
  identity: Identity,
  place?: string,
): number {
  const { node, refusal } = question;
  const producer = model.producers.get(identity.transactionalId);
  if (refusal(place) !== 0) return refusal(place);
  if (coordinator !== node) return CODES.NOT_COORDINATOR;
  if (producer?.id !== identity.producerId) return CODES.INVALID_PRODUCER_ID_MAPPING;
  return producer.epoch === identity.producerEpoch ? 0 : CODES.INVALID_PRODUCER_EPOCH;
}

async function end(model: Model, producer: Producer, isCommit: boolean): Promise<void> {
  for (const place of producer.places) {
    const at = place.lastIndexOf('/');
    const log = model.partition(place.slice(0, at), Number(place.slice(at + 1)));
    await log?.endTransaction(producer.id, producer.epoch, isCommit);
  }
  if (isCommit) for (const [place, offset] of producer.offsets) model.offsets.set(place, offset);
  producer.places.clear();
  producer.groups.clear();
  producer.offsets.clear();
  model.noteAppended();
}

/** The handlers of transactions, for the coordinators of transactions and of groups. */
export const transactionHandlers: Handlers<
  'InitProducerId' | 'AddPartitionsToTxn' | 'AddOffsetsToTxn' | 'TxnOffsetCommit' | 'EndTxn'
> = {
  InitProducerId: async (model, { transactionalId }, { node, refusal }) => {
    const elsewhere =
      transactionalId !== null && model.coordinatorOf('transaction', transactionalId) !== node;
    const errorCode = refusal() || (elsewhere ? CODES.NOT_COORDINATOR : 0);
    if (errorCode !== 0) return { throttleMs: 0, errorCode, producerId: -1, producerEpoch: -1 };
    const producer = model.producers.get(transactionalId ?? '') ?? model.newProducer();
    if (transactionalId !== null) model.producers.set(transactionalId, producer);
    await end(model, producer, false);
    producer.epoch += 1;
    return { throttleMs: 0, errorCode, producerId: producer.id, producerEpoch: producer.epoch };
  },

  AddPartitionsToTxn: (model, { topics, ...identity }, question) => ({
    throttleMs: 0,
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((index) => {
        const place = `${name}/${index}`;
        const errorCode = refusedTo(
          model,
          model.coordinatorOf('transaction', identity.transactionalId),
          question,
          identity,
          place,
        );
        if (errorCode === 0) model.producers.get(identity.transactionalId)?.places.add(place);
        return { index, errorCode };
      }),
    })),
  }),

  AddOffsetsToTxn: (model, { groupId, ...identity }, question) => {
    const errorCode = refusedTo(
      model,
      model.coordinatorOf('transaction', identity.transactionalId),
      question,
      identity,
    );
    if (errorCode === 0) model.producers.get(identity.transactionalId)?.groups.add(groupId);
    return { throttleMs: 0, errorCode };
  },

  TxnOffsetCommit: (model, { topics, groupId, ...identity }, question) => ({
    throttleMs: 0,
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ index, offset }) => {
        const producer = model.producers.get(identity.transactionalId);
        const isMissing = !producer?.groups.has(groupId);
        const refused = refusedTo(
          model,
          model.coordinatorOf('group', groupId),
          question,
          identity,
          `${name}/${index}`,
        );
        const errorCode = refused || (isMissing ? CODES.INVALID_TXN_STATE : 0);
        if (errorCode === 0) producer?.offsets.set(`${groupId}/${name}/${index}`, offset);
        return { index, errorCode };
      }),
    })),
  }),

  EndTxn: async (model, { isCommit, ...identity }, question) => {
    const errorCode = refusedTo(
      model,
      model.coordinatorOf('transaction', identity.transactionalId),
      question,
      identity,
    );
    const producer = model.producers.get(identity.transactionalId);
    if (errorCode === 0 && producer) await end(model, producer, isCommit);
    return { throttleMs: 0, errorCode };
  },
};
