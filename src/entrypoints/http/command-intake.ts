import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { KnownCommand } from '../../command-status/command-status.ts';
import { isRedriveSource, sourceOf } from '../../domain/identity.ts';
import type { WireMessage } from '../../messages/cloud-events.ts';
import {
  commandKey,
  FRONT_DOOR_PARTITION,
  MAX_COMMAND_BYTES,
  readCommand,
} from '../../messages/incoming.ts';
import type { Broker } from '../../service-layer/broker.ts';
import { MessageTooLargeError, TroubleError } from '../../service-layer/errors.ts';
import type { AddressedRecord } from '../../service-layer/records.ts';
import { ByteBudget, MEMORY_BUDGET_BYTES } from '../memory-budget.ts';
import { asRecordHeaders } from './binding.ts';
import { readBatch } from './command-batch.ts';
import { isBatch, MAX_BATCH_BYTES } from './content-types.ts';
import { answerProblem, PROBLEMS, type Problem } from './problem.ts';

/** What a request needs besides its body, for its socket and its headers: an upper bound. */
const REQUEST_BYTES = 16 * 1024;

/** A command that can be published, with its id. */
interface ReadCommand {
  /** Empty: the sender chose none. */
  readonly id: string;
  readonly record: AddressedRecord;
}

/** Takes commands in over HTTP and publishes them to the commands topic. */
export class CommandIntake {
  readonly #broker: Broker;
  readonly #topic: string;
  readonly #budget = new ByteBudget(MEMORY_BUDGET_BYTES.http);
  readonly #releases = new WeakMap<IncomingMessage, () => void>();

  constructor(broker: Broker, topic: string) {
    this.#broker = broker;
    this.#topic = topic;
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
  async accept({
    headers,
    body,
    raw,
  }: FastifyRequest): Promise<readonly (KnownCommand | Problem)[] | Problem> {
    const encoding = headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity') return PROBLEMS.encodedCommand(encoding);
    const value = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
    const messages = isBatch(headers)
      ? readBatch(value, headers)
      : [{ value, headers: asRecordHeaders(raw) }];
    if ('status' in messages) return messages;
    const read = messages.map((message) => this.#read(message));
    const good = read.filter((each): each is ReadCommand => !('status' in each));
    try {
      const accepted = (await this.#publish(good)).values();
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
    if (incoming.kind === 'unreadable') return PROBLEMS.unreadableCommand(incoming);
    if (isRedriveSource(sourceOf(incoming.identity))) return PROBLEMS.reservedSource();
    const key = commandKey(incoming.command);
    return { id: incoming.id, record: { ...message, key, partition: FRONT_DOOR_PARTITION } };
  }

  async #publish(commands: readonly ReadCommand[]): Promise<readonly KnownCommand[]> {
    if (commands.length === 0) return [];
    const records = commands.map(({ record }) => record);
    const places = await this.#broker.publish(this.#topic, records);
    return commands.map(({ id }, index) => {
      const place = places[index];
      if (!place) throw new TroubleError('The log did not say where it put the command');
      const { partition, offset } = place;
      const topic = this.#topic;
      return { id: id || `${topic}/${partition}/${offset}`, topic, partition, offset };
    });
  }
}
