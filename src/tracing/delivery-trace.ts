import { ROOT_CONTEXT, type Span, type SpanContext, SpanKind, trace } from '@opentelemetry/api';
import type { Command } from '../domain/commands.ts';
import type { IncomingCommand } from '../messages/read-command.ts';
import type { MessageBus } from '../service-layer/message-bus.ts';
import type { Partition, ReceivedRecord } from '../service-layer/records.ts';
import { ATTRIBUTES, OPERATIONS, OWN_ATTRIBUTES } from './semantic-conventions.ts';
import { endAfter, isSampled, noteError, startBatchSpan } from './spans.ts';
import { childOf, contextOf, headersOf } from './trace-context.ts';
import type { Tracing } from './tracing.ts';

/** A record of a delivery, and the command in it, if somebody can read it. */
interface TracedRecord {
  readonly record: Pick<ReceivedRecord, 'offset' | 'headers'>;
  readonly incoming: IncomingCommand | { readonly kind: 'unreadable' };
}

/** Decides commands, as the message bus does. */
type Bus = Pick<MessageBus, 'handle'>;

/** A command of the delivery, and the span that the command comes from. */
interface TracedCommand {
  readonly id: string;
  readonly offset: number;
  readonly sender: SpanContext | null;
}

/**
 * Makes the spans of one delivery: `process` from its first step to its end, and within it
 * `commit`. Each command has a span `decide` in the trace of its sender. A command without a trace
 * begins one. The events name `decide` as the span that they come from.
 */
export class DeliveryTrace {
  readonly #tracing: Tracing;
  readonly #process: Span;
  readonly #commands: ReadonlyMap<Command, TracedCommand>;
  readonly #decided = new Map<Command, SpanContext>();
  #commit: Span | null = null;

  constructor(
    tracing: Tracing,
    { topic, partition }: Partition,
    group: string,
    records: readonly TracedRecord[],
  ) {
    const senders = records.map(senderOf);
    this.#tracing = tracing;
    this.#commands = new Map(
      records.flatMap(({ record: { offset }, incoming }, index) =>
        incoming.kind === 'command'
          ? [[incoming.command, { id: incoming.id, offset, sender: senders[index] ?? null }]]
          : [],
      ),
    );
    const attributes = {
      ...OPERATIONS.process,
      [ATTRIBUTES.messagingSystem]: tracing.messagingSystem,
      [ATTRIBUTES.destination]: topic,
      [ATTRIBUTES.partition]: String(partition),
      [ATTRIBUTES.consumerGroup]: group,
      [ATTRIBUTES.messageCount]: records.length,
    };
    const options = { kind: SpanKind.CONSUMER, attributes };
    this.#process = startBatchSpan(tracing, `process ${topic}`, options, senders);
  }

  /** Returns a bus that decides each command in a span of its own. */
  busOver(bus: Bus): Bus {
    return {
      handle: (command, unitOfWork, source) => {
        const span = this.#startDecide(command);
        const { traceparent } = headersOf(span.spanContext());
        const handling = bus
          .handle(command, unitOfWork, source && { ...source, traceparent })
          .then((events) => {
            const types = new Set(events.map(({ type }) => type));
            span.setAttribute(OWN_ATTRIBUTES.events, [...types]);
            return events;
          });
        return endAfter(span, handling);
      },
    };
  }

  #startDecide(command: Command): Span {
    const { id = '', offset, sender = null } = this.#commands.get(command) ?? {};
    const attributes = {
      [OWN_ATTRIBUTES.command]: command.type,
      [ATTRIBUTES.messageId]: id,
      ...(offset !== undefined && { [ATTRIBUTES.offset]: offset }),
      ...('orderid' in command && { [OWN_ATTRIBUTES.orderid]: command.orderid }),
    };
    const delivery = this.#process.spanContext();
    const links = isSampled(delivery) ? [{ context: delivery }] : [];
    const span = this.#tracing.tracer.startSpan(
      `decide ${command.type}`,
      { attributes, links },
      childOf(sender),
    );
    this.#decided.set(command, span.spanContext());
    return span;
  }

  /** Returns the answers with the trace headers that their events must have. */
  propagate<A extends TracedRecord>(answers: readonly A[]): readonly A[] {
    return answers.map((answer) => {
      const { incoming } = answer;
      const decided = incoming.kind === 'command' && this.#decided.get(incoming.command);
      return decided ? { ...answer, incoming: { ...incoming, ...headersOf(decided) } } : answer;
    });
  }

  /** Notes that the transaction is about to write the answers and to commit. */
  startCommit(): void {
    // The database may undo the transaction in favour of another one, and run it again.
    this.#commit?.end();
    this.#commit = this.#tracing.tracer.startSpan(
      'commit',
      {},
      trace.setSpan(ROOT_CONTEXT, this.#process),
    );
  }

  /** Ends the spans when the transaction has ended. Notes an error of it, and throws it on. */
  async endAfter<T>(transaction: Promise<T>): Promise<T> {
    try {
      return await endAfter(this.#process, transaction);
    } catch (error) {
      if (this.#commit) noteError(this.#commit, error);
      throw error;
    } finally {
      this.#commit?.end();
    }
  }
}

/**
 * Reads which span the record comes from. A structured CloudEvent names the span in its value. A
 * `tracestate` counts for the `traceparent` beside it.
 */
function senderOf({ record: { headers }, incoming }: TracedRecord): SpanContext | null {
  const header = contextOf(headers);
  if (incoming.kind !== 'command') return header;
  const named = contextOf(incoming);
  return named?.spanId === header?.spanId ? header : named;
}
