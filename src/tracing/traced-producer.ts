import { SpanKind } from '@opentelemetry/api';
import type { TransactionalProducer } from '../service-layer/broker.ts';
import type { GroupPosition, OutgoingRecord } from '../service-layer/records.ts';
import { ATTRIBUTES, OPERATIONS } from './semantic-conventions.ts';
import { endAfter, startBatchSpan } from './spans.ts';
import { contextOf } from './trace-context.ts';
import type { Tracing } from './tracing.ts';

/**
 * Publishes the answers of a lane in a span `send`, which is linked to the span that each answer
 * comes from. The outbox keeps that span's name in the answer's headers. So the links are the same
 * when another process publishes the answer after a crash.
 */
export class TracedProducer implements TransactionalProducer {
  readonly #producer: TransactionalProducer;
  readonly #tracing: Tracing;

  constructor(producer: TransactionalProducer, tracing: Tracing) {
    this.#producer = producer;
    this.#tracing = tracing;
  }

  async publish(records: readonly OutgoingRecord[], position: GroupPosition | null): Promise<void> {
    const publishing = this.#producer.publish.bind(this.#producer, records, position);
    if (records.length === 0) return await publishing();
    const topics = [...new Set(records.map(({ topic }) => topic))];
    const [topic] = topics.length === 1 ? topics : [];
    const attributes = {
      ...OPERATIONS.send,
      [ATTRIBUTES.messagingSystem]: this.#tracing.messagingSystem,
      [ATTRIBUTES.messageCount]: records.length,
      ...(topic !== undefined && { [ATTRIBUTES.destination]: topic }),
    };
    const span = startBatchSpan(
      this.#tracing,
      topic === undefined ? 'send' : `send ${topic}`,
      { kind: SpanKind.PRODUCER, attributes },
      records.map(({ headers }) => contextOf(headers)),
    );
    await endAfter(span, publishing());
  }

  close(): Promise<void> {
    return this.#producer.close();
  }

  settle(): Promise<void> {
    return this.#producer.settle();
  }
}
