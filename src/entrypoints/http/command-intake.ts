import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { KnownCommand } from '../../command-status/command-status.ts';
import { isRedriveSource, sourceOf } from '../../domain/identity.ts';
import { placeOf } from '../../domain/place.ts';
import type { WireMessage } from '../../messages/cloud-events.ts';
import { commandKey, FRONT_DOOR_PARTITION } from '../../messages/front-door.ts';
import { MAX_COMMAND_BYTES, readCommand } from '../../messages/read-command.ts';
import type { Broker } from '../../service-layer/broker.ts';
import { MessageTooLargeError, TroubleError } from '../../service-layer/errors.ts';
import { sendTraced, type TracedRecord } from '../../tracing/request-traces.ts';
import type { Tracing } from '../../tracing/tracing.ts';
import { ByteBudget, MEMORY_BUDGET_BYTES } from '../memory-budget.ts';
import { asRecordHeaders } from './binding.ts';
import { divideBody } from './command-batch.ts';
import { isBatch, MAX_BATCH_BYTES } from './content-types.ts';
import { answerProblem, PROBLEMS, type Problem } from './problem.ts';
import { refusedCommand } from './refused-command.ts';

/** An upper bound of what a request needs besides its body, for its socket and its headers. */
const REQUEST_BYTES = 16 * 1024;

/** A command that can be published, with its id. */
interface ReadCommand extends TracedRecord {
  /** Empty: the sender chose none. */
  readonly id: string;
}

/** Takes commands in over HTTP and publishes them to the commands topic. */
export class CommandIntake {
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #tracing: Tracing | undefined;
  readonly #budget = new ByteBudget(MEMORY_BUDGET_BYTES.http);
  readonly #releases = new WeakMap<IncomingMessage, () => void>();

  /** @param tracing absent: tracing is off */
  constructor(broker: Broker, topic: string, tracing?: Tracing) {
    this.#broker = broker;
    this.#topic = topic;
    this.#tracing = tracing;
  }

  /** Refuses a command before its body is read, while too many others wait for the log. */
  async admit({ headers, raw }: FastifyRequest, reply: FastifyReply) {
    if (this.#budget.isExceeded) return answerProblem(reply, PROBLEMS.manyCommands());
    const maxBytes = isBatch(headers) ? MAX_BATCH_BYTES : MAX_COMMAND_BYTES;
    const bodyBytes = Math.min(Number(headers['content-length'] ?? maxBytes), maxBytes);
    const bytes = REQUEST_BYTES + bodyBytes;
    this.#budget.hold(bytes);
    const release = () => {
      if (this.#releases.delete(raw)) this.#budget.release(bytes);
    };
    this.#releases.set(raw, release);
    reply.raw.once('close', release);
    return undefined;
  }

  /**
   * Publishes the good commands of a request together, in their order. Resolves once the log has
   * accepted them.
   *
   * @returns a result for each command, in the order of the request; or why the request is refused
   * @throws {TroubleError} the log cannot take the commands now
   */
  async accept(request: FastifyRequest): Promise<readonly (KnownCommand | Problem)[] | Problem> {
    const { headers, body, raw } = request;
    const encoding = headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity') return PROBLEMS.encodedCommand(encoding);
    const value = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
    const messages = isBatch(headers)
      ? divideBody(value, headers)
      : [{ value, headers: asRecordHeaders(raw) }];
    if ('status' in messages) return messages;
    const read = messages.map((message) => this.#read(message));
    const good = read.filter((each): each is ReadCommand => !('status' in each));
    try {
      const accepted = (await this.#publish(request, good)).values();
      return read.map((each) =>
        'status' in each ? each : (accepted.next().value as KnownCommand),
      );
    } catch (error) {
      // A topic that somebody else created may take less than the service allows.
      if (error instanceof MessageTooLargeError) return PROBLEMS.largeForTopic(error.message);
      throw error;
    } finally {
      this.#releases.get(raw)?.();
    }
  }

  #read(message: WireMessage): ReadCommand | Problem {
    const incoming = readCommand(message, '', 'strict');
    if (incoming.kind === 'unreadable') return refusedCommand(message, incoming);
    if (isRedriveSource(sourceOf(incoming.identity))) return PROBLEMS.reservedSource();
    const { id, traceparent, command } = incoming;
    const key = commandKey(command);
    return { id, traceparent, record: { ...message, key, partition: FRONT_DOOR_PARTITION } };
  }

  async #publish(
    request: FastifyRequest,
    commands: readonly ReadCommand[],
  ): Promise<readonly KnownCommand[]> {
    if (commands.length === 0) return [];
    const publish = this.#broker.publish.bind(this.#broker, this.#topic);
    const places = await (this.#tracing
      ? sendTraced(this.#tracing, request, this.#topic, commands, publish)
      : publish(commands.map(({ record }) => record)));
    return commands.map(({ id }, index) => {
      const place = places[index];
      if (!place) throw new TroubleError('The log did not say where it put the command');
      const { partition, offset } = place;
      const topic = this.#topic;
      const at = { topic, partition, offset };
      return { id: id || placeOf(at), ...at };
    });
  }
}
