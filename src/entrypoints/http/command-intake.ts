import type { FastifyReply, FastifyRequest } from 'fastify';
import { isRedriveSource, sourceOf } from '../../domain/identity.ts';
import {
  commandKey,
  FRONT_DOOR_PARTITION,
  MAX_COMMAND_BYTES,
  readCommand,
} from '../../messages/incoming.ts';
import type { Broker } from '../../service-layer/broker.ts';
import { MessageTooLargeError, TroubleError } from '../../service-layer/errors.ts';
import { ByteBudget, MEMORY_BUDGET_BYTES } from '../memory-budget.ts';
import { asRecordHeaders } from './binding.ts';
import { answerProblem, PROBLEMS } from './problem.ts';

/** What a request needs besides its body, for its socket and its headers: an upper bound. */
const REQUEST_BYTES = 16 * 1024;

/** Takes commands in over HTTP and publishes them to the commands topic. */
export class CommandIntake {
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #budget = new ByteBudget(MEMORY_BUDGET_BYTES.http);

  constructor(broker: Broker, topic: string) {
    this.#broker = broker;
    this.#topic = topic;
  }

  /** Refuses a command before its body is read, while too many others wait for the log. */
  async admit({ headers }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    if (this.#budget.isExceeded) return answerProblem(reply, PROBLEMS.manyCommands());
    const bodyBytes = Number(headers['content-length'] ?? MAX_COMMAND_BYTES);
    const bytes = REQUEST_BYTES + Math.min(bodyBytes, MAX_COMMAND_BYTES);
    this.#budget.hold(bytes);
    reply.raw.once('close', () => this.#budget.release(bytes));
    return undefined;
  }

  /** Publishes a command, and answers once the log has accepted it. */
  async accept({ headers, body, raw }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const encoding = headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity') return answerProblem(reply, PROBLEMS.encodedCommand(encoding));
    const message = {
      value: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
      headers: asRecordHeaders(raw),
    };
    const incoming = readCommand(message, '');
    if (incoming.kind === 'unreadable')
      return answerProblem(reply, PROBLEMS.unreadableCommand(incoming));
    if (isRedriveSource(sourceOf(incoming.identity)))
      return answerProblem(reply, PROBLEMS.reservedSource());
    try {
      const [place] = await this.#broker.publish(this.#topic, [
        { ...message, key: commandKey(incoming.command), partition: FRONT_DOOR_PARTITION },
      ]);
      if (!place) throw new TroubleError('The log did not say where it put the command');
      const id = incoming.id || `${this.#topic}/${place.partition}/${place.offset}`;
      return reply.code(202).send({ id, topic: this.#topic, ...place });
    } catch (error) {
      // A topic that somebody else created may take less than the service allows.
      if (error instanceof MessageTooLargeError)
        return answerProblem(reply, PROBLEMS.largeForTopic(error.message));
      throw error;
    }
  }
}
