import type { FastifyReply, FastifyRequest } from 'fastify';
import { answerProblem, PROBLEMS } from './problem.ts';

/**
 * The most questions about the stock that are under way at once, with their answers in memory.
 * Lanes wait for the same connections to the database, behind the questions that came first.
 */
const MAX_READS = 64;

/** Lets a limited number of questions about the stock in. */
export class ReadIntake {
  #count = 0;

  /** Refuses a question while too many others wait. */
  async admit(_request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    if (this.#count >= MAX_READS) return answerProblem(reply, PROBLEMS.manyReads());
    this.#count += 1;
    reply.raw.once('close', () => {
      this.#count -= 1;
    });
    return undefined;
  }
}
