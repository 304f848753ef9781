import { once } from 'node:events';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AnswerWait } from '../../command-status/answer-wait.ts';
import { MAX_SEARCHED_OFFSETS } from '../../command-status/command-search.ts';
import type {
  CommandStatus,
  KnownCommand,
  PendingCommand,
} from '../../command-status/command-status.ts';
import {
  CommandStatuses,
  type CommandStatusesOptions,
} from '../../command-status/command-statuses.ts';
import { placeOf } from '../../domain/place.ts';
import type { Broker } from '../../service-layer/broker.ts';
import type { Tracing } from '../../tracing/tracing.ts';
import { CommandIntake } from './command-intake.ts';
import { isBatch } from './content-types.ts';
import { GET_COMMAND, GET_COMMAND_AT, POST_COMMANDS } from './openapi/command-operations.ts';
import { answerProblem, asBody, PROBLEMS, type Problem } from './problem.ts';
import { ReadIntake } from './read-intake.ts';
import type { Route } from './routes.ts';
import { hasWait, readWait, type WaitPreference } from './wait-preference.ts';

/** How many clients wait for an answer at once. Further ones get 202, and may ask later. */
const MAX_WAITS = 500;

/** Takes commands in, and says what has become of them. */
export class CommandRoutes {
  readonly #intake: CommandIntake;
  readonly #published: AnswerWait;
  readonly #statuses: CommandStatuses;
  readonly #reads = new ReadIntake();
  readonly #closing = new AbortController();

  constructor(
    options: CommandStatusesOptions & { readonly broker: Broker; readonly tracing?: Tracing },
  ) {
    const { broker, group, commandsTopic, tracing } = options;
    this.#intake = new CommandIntake(broker, commandsTopic, tracing);
    this.#published = new AnswerWait(broker, group, commandsTopic);
    this.#statuses = new CommandStatuses(options);
  }

  get routes(): readonly Route[] {
    const admit = this.#reads.admit.bind(this.#reads);
    return [
      {
        method: 'POST',
        url: '/commands',
        access: 'publish',
        operation: POST_COMMANDS,
        onRequest: (request, reply) => this.#intake.admit(request, reply),
        handler: (request, reply) => this.#take(request, reply),
      },
      {
        method: 'GET',
        url: '/commands/:id',
        access: 'read',
        operation: GET_COMMAND,
        onRequest: admit,
        handler: (request, reply) => this.#tell(request, reply, request.params.id ?? ''),
      },
      {
        method: 'GET',
        url: '/commands/:topic/:partition/:offset',
        access: 'read',
        operation: GET_COMMAND_AT,
        onRequest: admit,
        handler: (request, reply) => {
          const { topic, partition, offset } = request.params;
          return this.#tell(request, reply, `${topic}/${partition}/${offset}`);
        },
      },
    ];
  }

  /** Ends all waits: their clients get 202. */
  close(): void {
    this.#closing.abort();
  }

  async #take(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const wait = readWait(request);
    const isMany = isBatch(request.headers);
    if (isMany && hasWait(request)) return answerProblem(reply, PROBLEMS.waitForBatch());
    const results = await this.#intake.accept(request);
    if ('status' in results) return answerProblem(reply, results);
    if (isMany) return answerBatch(reply, results);
    const [result] = results as [KnownCommand | Problem];
    if ('status' in result) return answerProblem(reply, result);
    const status = await this.#statusAfterWait({ ...result, status: 'pending' }, wait, reply);
    reply.header('location', locationOf(result));
    return reply.code(status.status === 'pending' ? 202 : 200).send(status);
  }

  /** Waits for the answer to a pending command as long as the client prefers. */
  async #statusAfterWait(
    pending: PendingCommand,
    { seconds, applied }: WaitPreference,
    reply: FastifyReply,
  ): Promise<CommandStatus> {
    if (seconds === null) return pending;
    reply.headers(applied);
    return (await this.#answerWithin(pending, seconds, reply)) ?? pending;
  }

  /** Returns the status of an answered command; null: its answer is not known in time. */
  async #answerWithin(
    accepted: KnownCommand,
    seconds: number,
    { raw }: FastifyReply,
  ): Promise<CommandStatus | null> {
    if (this.#published.count >= MAX_WAITS) return null;
    const gone = new AbortController();
    raw.once('close', () => gone.abort());
    const timeUp = AbortSignal.timeout(seconds * 1_000);
    const signal = AbortSignal.any([gone.signal, this.#closing.signal, timeUp]);
    const ended = once(signal, 'abort').then(() => null);
    const status = this.#published
      .for(accepted, signal)
      .then((isPublished) => (isPublished ? this.#statuses.findAt(accepted) : null))
      // The command is accepted, whatever keeps its answer from being read.
      .catch(() => null);
    return await Promise.race([status, ended]);
  }

  async #tell(request: FastifyRequest, reply: FastifyReply, id: string) {
    const { source } = request.query as { readonly source?: string };
    // With a source, the id is a name, even if it looks like a place.
    const place = source === undefined ? this.#statuses.placeIn(id) : null;
    const status = await (place === null
      ? this.#statuses.findByName({ id, source })
      : this.#statuses.findAt(place));
    if (status === null)
      return answerProblem(
        reply,
        place === null
          ? PROBLEMS.unknownCommand(id, MAX_SEARCHED_OFFSETS)
          : PROBLEMS.emptyPlace(id),
      );
    if (status.status !== 'pending') return status;
    // A client that waits asks the database nothing.
    this.#reads.leave(reply);
    return await this.#statusAfterWait(status, readWait(request), reply);
  }
}

/** Answers with a result for each command: 202 if all are accepted, else 207 (RFC 4918). */
function answerBatch(
  reply: FastifyReply,
  results: readonly (KnownCommand | Problem)[],
): FastifyReply {
  const items = results.map((each) =>
    'status' in each ? asBody(each) : { ...each, status: 202, location: locationOf(each) },
  );
  const isAccepted = items.every(({ status }) => status === 202);
  return reply.code(isAccepted ? 202 : 207).send({ items });
}

function locationOf(command: KnownCommand): string {
  return `/commands/${placeOf(command)}`;
}
