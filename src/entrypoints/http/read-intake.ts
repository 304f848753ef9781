import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { answerProblem, PROBLEMS } from './problem.ts';

/**
 * The most questions to the database that are under way at once, with their answers in memory.
 * Lanes wait for the same connections, behind the questions that came first.
 */
const MAX_READS = 64;

/** Lets a limited number of questions in, because each one reads the database or the log. */
export class ReadIntake {
  readonly #maxReads: number;
  readonly #underWay = new Set<ServerResponse>();

  /** @param maxReads how many questions are under way at once */
  constructor(maxReads = MAX_READS) {
    this.#maxReads = maxReads;
  }

  /** Refuses a question while too many others wait. */
  async admit(_request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    if (this.#underWay.size >= this.#maxReads) return answerProblem(reply, PROBLEMS.manyReads());
    this.#underWay.add(reply.raw);
    reply.raw.once('close', () => this.leave(reply));
    return undefined;
  }

  /** Lets another question in before this one has its answer. */
  leave({ raw }: FastifyReply): void {
    this.#underWay.delete(raw);
  }
}
