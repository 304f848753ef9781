import type { LetterFollower, LetterProgress } from '../../dead-letters/letter-follower.ts';
import { groupLetters, type LetterChoice, listLetters } from '../../dead-letters/letter-pages.ts';
import { viewOf } from '../../dead-letters/letter-view.ts';
import { placeIn, readPage } from '../../dead-letters/waiting-letters.ts';
import type { Broker } from '../../service-layer/broker.ts';
import { GET_LETTER, GROUP_LETTERS, LIST_LETTERS } from './openapi/letter-operations.ts';
import { answerPage } from './pages.ts';
import { answerProblem, PROBLEMS } from './problem.ts';
import { ReadIntake } from './read-intake.ts';
import type { Route } from './routes.ts';

/** How long a list waits for the index. People accept this delay. */
const LIST_WAIT_MS = 500;
/** How long a question about one letter waits for the index. */
export const LETTER_WAIT_MS = 5_000;

export interface LetterRoutesOptions {
  readonly broker: Broker;
  readonly deadLettersTopic: string;
  readonly letters: LetterFollower;
}

/** The routes that show dead letters. */
export function letterRoutes(options: LetterRoutesOptions): readonly Route[] {
  const { letters } = options;
  const reads = new ReadIntake();
  const admit: Route['onRequest'] = (request, reply) => reads.admit(request, reply);
  const route = { method: 'GET', access: 'read', onRequest: admit } as const;
  return [
    {
      ...route,
      url: '/dead-letters',
      operation: LIST_LETTERS,
      handler: async (request, reply) => {
        const progress = await letters.refresh(LIST_WAIT_MS);
        const page = listLetters(letters.index, request.query as LetterChoice);
        const view = {
          deadLetters: page.letters,
          hasMoreDeadLetters: page.next !== null,
          total: page.total,
          ...readingOf(letters, progress),
        };
        return answerPage(request, reply, '/dead-letters', { view, next: page.next });
      },
    },
    {
      ...route,
      url: '/dead-letters/groups',
      operation: GROUP_LETTERS,
      handler: async () => {
        const progress = await letters.refresh(LIST_WAIT_MS);
        const total = letters.index.openCount;
        return { groups: groupLetters(letters.index), total, ...readingOf(letters, progress) };
      },
    },
    {
      ...route,
      url: '/dead-letters/:id',
      operation: GET_LETTER,
      handler: async ({ params: { id = '' } }, reply) => {
        const { isComplete, read, total } = await letters.refresh(LETTER_WAIT_MS);
        const letter = letters.index.findById(id);
        const unknown = isComplete
          ? PROBLEMS.unknownLetter(id)
          : PROBLEMS.readingLetters(read, total);
        if (letter === null) return answerProblem(reply, unknown);
        const { broker, deadLettersTopic } = options;
        const [whole] = await readPage(broker, deadLettersTopic, [placeIn(letter)]);
        if (!whole) return answerProblem(reply, PROBLEMS.unknownLetter(id));
        return viewOf(letters.index, letter, whole);
      },
    },
  ];
}

function readingOf({ index }: LetterFollower, { isComplete, read, total }: LetterProgress) {
  return {
    isComplete,
    readOffsets: read,
    totalOffsets: total,
    leftOut: index.leftOut.count,
  };
}
