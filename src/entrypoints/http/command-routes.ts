import { once } from 'node:events';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { MAX_SEARCHED_OFFSETS } from '../../command-status/command-search.ts';
import type { CommandStatus, KnownCommand } from '../../command-status/command-status.ts';
import {
  CommandStatuses,
  type CommandStatusesOptions,
} from '../../command-status/command-statuses.ts';
import { PublishedWait } from '../../command-status/published-wait.ts';
import type { Broker } from '../../service-layer/broker.ts';
import { CommandIntake } from './command-intake.ts';
import { isBatch } from './content-types.ts';
import { GET_COMMAND, GET_COMMAND_AT, POST_COMMANDS } from './openapi/command-operations.ts';
import { answerProblem, asBody, PROBLEMS, type Problem } from './problem.ts';
import { ReadIntake } from './read-intake.ts';
import type { Route } from './routes.ts';
import { readWait } from './wait-preference.ts';

/** How many clients wait for an answer at once. Further ones get 202, and may ask later. */
const MAX_WAITS = 500;

/** Takes commands in, and says what has become of them. */
export class CommandRoutes {
  readonly #intake: CommandIntake;
  readonly #published: PublishedWait;
  readonly #statuses: CommandStatuses;
  readonly #closing = new AbortController();

  constructor(options: CommandStatusesOptions & { readonly broker: Broker }) {
    const { broker, group, commandsTopic } = options;
    this.#intake = new CommandIntake(broker, commandsTopic);
    this.#published = new PublishedWait(broker, group, commandsTopic);
    this.#statuses = new CommandStatuses(options);
  }

  get routes(): readonly Route[] {
    const reads = new ReadIntake();
    const admit = reads.admit.bind(reads);
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
    const results = await this.#intake.accept(request);
    if ('status' in results) return answerProblem(reply, results);
    if (isBatch(request.headers)) return answerBatch(reply, results);
    const [result] = results as [KnownCommand | Problem];
    if ('status' in result) return answerProblem(reply, result);
    reply.headers({ ...wait.applied, location: locationOf(result) });
    const status =
      wait.seconds === null ? null : await this.#answerWithin(result, wait.seconds, reply);
    // Behind a coordinator that has moved, the second read of the offset may lag behind the first.
    const isAnswered = status !== null && status.status !== 'pending';
    return isAnswered ? reply.code(200).send(status) : reply.code(202).send(result);
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
      .then((isPublished) => (isPublished ? this.#statuses.at(accepted) : null))
      // The command is accepted, whatever keeps its answer from being read.
      .catch(() => null);
    return await Promise.race([status, ended]);
  }

  async #tell(request: FastifyRequest, reply: FastifyReply, id: string) {
    const { source } = request.query as { readonly source?: string };
    const place = this.#statuses.placeIn(id);
    const status = await (place === null
      ? this.#statuses.named({ id, source })
      : this.#statuses.at(place));
    return status ?? answerProblem(reply, PROBLEMS.unknownCommand(id, MAX_SEARCHED_OFFSETS));
  }
}

/** Answers with a result for each command: 202 if all are accepted, else 207 (RFC 4918). */
function answerBatch(
  reply: FastifyReply,
  results: readonly (KnownCommand | Problem)[],
): FastifyReply {
  const items = results.map((each) =>
    'status' in each ? asBody(each) : { status: 202, ...each, location: locationOf(each) },
  );
  const isAccepted = items.every(({ status }) => status === 202);
  return reply.code(isAccepted ? 202 : 207).send({ items });
}

function locationOf({ topic, partition, offset }: KnownCommand): string {
  return `/commands/${topic}/${partition}/${offset}`;
}
