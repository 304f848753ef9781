import { LetterFollower } from '../../src/dead-letters/letter-follower.ts';
import { LetterIndex } from '../../src/dead-letters/letter-index.ts';
import { type LetterChoice, listLetters } from '../../src/dead-letters/letter-pages.ts';
import { LetterTopic } from './letter-topic.ts';

/** Keeps an index of the topic. */
export const follow = (topic: LetterTopic, maxLetters?: number) =>
  new LetterFollower(topic, LetterTopic.NAME, new LetterIndex(maxLetters));

/** Reads what is new, and lists the ids of the letters. */
export async function idsOf(letters: LetterFollower, choice: Partial<LetterChoice> = {}) {
  await letters.read();
  const page = listLetters(letters.index, { status: 'open', limit: 1_000, ...choice });
  return page.letters.map(({ id }) => id);
}
