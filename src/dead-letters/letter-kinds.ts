import type { LetterHead } from './read-dead-letter.ts';

/** Letters with the same reason, the same type of command and the same cause. */
export interface LetterKind {
  readonly reason: string;
  /** Null: nobody can read the type, or the kind has letters of several types. */
  readonly type: string | null;
  /** The message of these letters, without the names and numbers in which they differ. */
  readonly cause: string;
}

/** The most kinds that are told apart. Senders choose types, and so the number of kinds. */
const MAX_KINDS = 1_000;
/** Short, because the time to find varying parts grows with the square of the length. */
const MAX_CAUSE_LENGTH = 200;
/** Shorter names occur by chance in words. */
const MIN_NAME_LENGTH = 3;
/** How many products of a letter are replaced in its message. */
const MAX_SKUS = 3;
const OTHERS = 'Other causes';

/** Quoted text, an identifier with digits in it, a place, or a number. */
const VARYING_PART = /"[^"]*"|[\w.-]*\d[\w.-]*(\/\d+)*/g;

/** Puts letters into kinds. Letters of one kind have the same object. */
export class LetterKinds {
  readonly #kinds = new Map<string, LetterKind>();

  /** Returns the kind of the letter. */
  of(head: LetterHead): LetterKind {
    const { reason, type } = head;
    const cause = causeOf(head);
    const key = JSON.stringify([reason, type, cause]);
    const known = this.#kinds.get(key);
    if (known) return known;
    if (this.#kinds.size >= MAX_KINDS) return this.#others(reason);
    return this.#add(key, { reason, type, cause });
  }

  #others(reason: string): LetterKind {
    const key = JSON.stringify([reason]);
    return this.#kinds.get(key) ?? this.#add(key, { reason, type: null, cause: OTHERS });
  }

  #add(key: string, kind: LetterKind): LetterKind {
    this.#kinds.set(key, kind);
    return kind;
  }
}

/** Says why a letter failed, in words that letters with the same cause share. */
function causeOf({ reason, message, commandId, orderid, skus }: LetterHead): string {
  if (reason === 'parked-behind') return 'The command waits behind a failed one';
  const names = [commandId, orderid ?? '', ...skus.slice(0, MAX_SKUS)].filter(
    ({ length }) => length >= MIN_NAME_LENGTH,
  );
  const nameless = names.reduce((text, name) => text.replaceAll(name, '…'), message);
  return nameless.slice(0, MAX_CAUSE_LENGTH).replace(VARYING_PART, '…').toWellFormed();
}
