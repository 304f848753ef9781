import type { JobControl, JobWork } from '../jobs/job.ts';
import { type CarryOutParts, carryOut } from './carry-out.ts';
import { decide, type Wish } from './decision.ts';
import type { Resolution } from './markers.ts';
import type { DeadLetter, PlannedLetter } from './read-dead-letter.ts';
import type { RedriveListener } from './redriver.ts';

/** The most letters that a result names. Its counts include the others. */
const MAX_NAMED = 100;

/** What a job has done with letters. */
interface LetterJobResult {
  readonly redriven: number;
  readonly discarded: number;
  /** The commands that failed again, with their new letters. */
  readonly failedAgain: {
    count: number;
    readonly first: { readonly id: string; readonly commandId: string; readonly message: string }[];
  };
  /** The letters that were not redriven, with the reason. */
  readonly refused: {
    readonly count: number;
    readonly first: readonly { readonly id: string; readonly why: string }[];
  };
  /** Whether some commands had no answer in time. Letters behind these stay on the list. */
  readonly isUnanswered: boolean;
}

type Parts = Omit<CarryOutParts, 'signal' | 'listener' | 'letters'> &
  Required<Pick<CarryOutParts, 'letters'>>;

/**
 * Makes the work of a job that redrives or discards letters.
 *
 * The job plans anew from the list as it is when the job begins. Another operator may have acted
 * since the preview. Two operators may act at the same moment. That does no harm, because a command
 * that is sent twice is answered once, and the first marker of a letter counts.
 */
export function letterJob(parts: Parts, wish: Wish): JobWork {
  return async (control): Promise<LetterJobResult> => {
    control.say('Reading the dead letters');
    const source = { broker: parts.broker, config: parts.config };
    const decision = await decide(source, await parts.letters.read(control.signal), wish);
    const { redrive, discard, refused } = decision.plan;
    control.expect(redrive.length + discard.length);
    control.say(`The ${wish.action} is under way`);
    const tally = new Tally(control);
    await carryOut({ ...parts, signal: control.signal, listener: tally }, decision);
    await parts.letters.read(control.signal);
    const first = refused.slice(0, MAX_NAMED).map(({ letter, why }) => ({ id: letter.id, why }));
    control.say(`The ${wish.action} is done`);
    return { ...tally.result, refused: { count: refused.length, first } };
  };
}

/** Counts what becomes of the letters. */
class Tally implements RedriveListener {
  readonly #control: JobControl;
  readonly #counts = { redriven: 0, discarded: 0 };
  readonly #failedAgain: LetterJobResult['failedAgain'] = { count: 0, first: [] };
  #isUnanswered = false;

  constructor(control: JobControl) {
    this.#control = control;
  }

  get result(): Omit<LetterJobResult, 'refused'> {
    return {
      ...this.#counts,
      failedAgain: this.#failedAgain,
      isUnanswered: this.#isUnanswered,
    };
  }

  onResolved(_letter: PlannedLetter, resolution: Resolution): void {
    this.#counts[resolution] += 1;
    this.#control.advance(1);
  }

  onFailedAgain({ id, commandId, message }: DeadLetter): void {
    this.#failedAgain.count += 1;
    const { first } = this.#failedAgain;
    if (first.length < MAX_NAMED) first.push({ id, commandId, message });
  }

  onUnanswered(): void {
    this.#isUnanswered = true;
  }
}
