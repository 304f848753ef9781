import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Audit } from '../../audit/audit.ts';
import { decide, type Wish } from '../../dead-letters/decision.ts';
import {
  EditError,
  NoLetterError,
  ResolvedLetterError,
  SelectionError,
} from '../../dead-letters/errors.ts';
import { letterJob } from '../../dead-letters/letter-job.ts';
import { previewOf } from '../../dead-letters/letter-preview.ts';
import { MAX_REDRIVES, type Selection } from '../../dead-letters/plan.ts';
import type { RedriverParts } from '../../dead-letters/redriver.ts';
import type { Jobs } from '../../jobs/jobs.ts';
import { commandVersions } from '../../messages/command-schemas.ts';
import { dataschemaOf } from '../../messages/versions.ts';
import { answerWithJob } from './job-routes.ts';
import { LETTER_WAIT_MS, type LetterRoutesOptions } from './letter-routes.ts';
import {
  DISCARD_LETTERS,
  EDIT_LETTER,
  type editBody,
  REDRIVE_LETTERS,
  type redriveBody,
} from './openapi/letter-operations.ts';
import { operatorName } from './operator-name.ts';
import { answerProblem, PROBLEMS, type Problem } from './problem.ts';
import type { Route } from './routes.ts';

export interface LetterActsOptions extends LetterRoutesOptions {
  readonly commandsTopic: string;
  readonly group: string;
  readonly jobs: Jobs;
  /** Makes the audit of a person who acts over HTTP. */
  readonly auditOf: (by: string) => Audit;
  /** Tells the service's database what was decided about parked commands. */
  readonly release: RedriverParts['release'];
}

type ResolveBody = Omit<z.infer<typeof redriveBody>, 'maxRedrives'> & {
  readonly maxRedrives?: number;
};
type EditBody = z.infer<typeof editBody>;

/** The routes that redrive, discard and edit dead letters. */
export function letterActRoutes(options: LetterActsOptions): readonly Route[] {
  const acts = new LetterActs(options);
  return [
    {
      method: 'POST',
      url: '/dead-letters/redrive',
      access: 'operate',
      operation: REDRIVE_LETTERS,
      handler: (request, reply) => acts.resolve('redrive', request, reply),
    },
    {
      method: 'POST',
      url: '/dead-letters/discard',
      access: 'operate',
      operation: DISCARD_LETTERS,
      handler: (request, reply) => acts.resolve('discard', request, reply),
    },
    {
      method: 'POST',
      url: '/dead-letters/:id/edit',
      access: 'operate',
      operation: EDIT_LETTER,
      handler: (request, reply) => acts.edit(request, reply),
    },
  ];
}

class LetterActs {
  readonly #options: LetterActsOptions;

  constructor(options: LetterActsOptions) {
    this.#options = options;
  }

  async resolve(action: Wish['action'], request: FastifyRequest, reply: FastifyReply) {
    const { maxRedrives = MAX_REDRIVES, ...choice } = request.body as ResolveBody;
    const wish = { action, selection: selectionOf(choice), edit: null, maxRedrives };
    return this.#answer(request, reply, wish, choice);
  }

  async edit(request: FastifyRequest, reply: FastifyReply) {
    const { id = '' } = request.params as { readonly id?: string };
    const { maxRedrives, ...body } = request.body as EditBody;
    const { isComplete, read, total } = await this.#options.letters.refresh(LETTER_WAIT_MS);
    const letter = this.#options.letters.index.findById(id);
    if (letter === null)
      return answerProblem(
        reply,
        isComplete ? PROBLEMS.unknownLetter(id) : PROBLEMS.readingLetters(read, total),
      );
    const type = body.type ?? letter.type ?? '';
    const reserved = RESERVED.filter((name) => Object.hasOwn(body.data, name));
    if (reserved.length > 0)
      return answerProblem(reply, PROBLEMS.invalidBody(BESIDE_DATA, reserved.map(besideData)));
    const edit = JSON.stringify({ type, ...body.data, dataschema: schemaOf(type, body.version) });
    const selection = { ids: [id], all: false };
    return this.#answer(request, reply, { action: 'redrive', selection, edit, maxRedrives }, body);
  }

  /** Says what the wish leads to, or starts the job that fulfils it. */
  async #answer(
    request: FastifyRequest,
    reply: FastifyReply,
    wish: Wish,
    {
      dryRun,
      expectedCount = Number.POSITIVE_INFINITY,
    }: Pick<ResolveBody, 'dryRun' | 'expectedCount'>,
  ): Promise<FastifyReply> {
    const { broker, jobs, letters, auditOf, release } = this.#options;
    const { isComplete, read, total } = await letters.refresh(LETTER_WAIT_MS);
    if (!isComplete) return answerProblem(reply, PROBLEMS.readingLetters(read, total));
    const { commandsTopic, deadLettersTopic, group } = this.#options;
    const config = { commandsTopic, deadLettersTopic, groupId: group };
    try {
      const decision = await decide({ broker, config }, letters.index.letters, wish);
      if (dryRun)
        return reply.send(await previewOf(broker, deadLettersTopic, letters.index, decision));
      const count = decision.plan.redrive.length + decision.plan.discard.length;
      if (count > expectedCount)
        return answerProblem(reply, PROBLEMS.moreLetters(count, expectedCount));
    } catch (error) {
      return answerProblem(reply, refusalOf(error));
    }
    const by = operatorName(request);
    const work = letterJob({ broker, config, letters, release, by, audit: auditOf(by) }, wish);
    return answerWithJob(reply, jobs, { act: `dead-letters ${wish.action}`, by, work });
  }
}

function selectionOf({
  ids = [],
  filter = {},
  all,
}: Pick<ResolveBody, 'ids' | 'filter' | 'all'>): Selection {
  const { commandId: id, ...filters } = filter;
  return { ids, all: all === true, id, ...filters };
}

/** The fields of plain JSON that are no data of the command. */
const RESERVED = ['type', 'id', 'dataschema'];
const BESIDE_DATA = 'The data of a command must have no type, id or dataschema';

function besideData(name: string) {
  return { field: `data.${name}`, message: 'is no data: leave it out, or set type and version' };
}

function schemaOf(type: string, version: number | undefined): string | undefined {
  const versions = Object.entries(commandVersions).find(([name]) => name === type)?.[1];
  return versions && dataschemaOf(type, version ?? versions.current);
}

/** Returns the problem for a wish that cannot be fulfilled. @throws any other error */
function refusalOf(error: unknown): Problem {
  if (error instanceof NoLetterError) return PROBLEMS.unknownLetter(error.letter);
  if (error instanceof ResolvedLetterError) return PROBLEMS.resolvedLetter(error.message);
  if (error instanceof SelectionError) return PROBLEMS.invalidRequest(400, error.message);
  if (error instanceof EditError && error.refusal) return PROBLEMS.unreadableCommand(error.refusal);
  if (error instanceof EditError) return PROBLEMS.invalidRequest(400, error.message);
  throw error;
}
