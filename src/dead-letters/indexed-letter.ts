import { type Identity, idOf } from '../domain/identity.ts';
import { placeOf } from '../domain/place.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import type { CutList } from './encode-dead-letter.ts';
import type { LetterKind, LetterKinds } from './letter-kinds.ts';
import type { Fate } from './markers.ts';
import { envelopeOf } from './message-envelope.ts';
import { subjectIn } from './message-subject.ts';
import { outlookOf } from './outlook.ts';
import { failedAtMs, headOf, type LetterHead, type PlannedLetter } from './read-dead-letter.ts';

/** What a redrive of a letter leads to, in one word. */
export type OutlookWord = 'good' | 'fails-again' | 'ignores-fields';

/** Gives equal values the same object, so that many letters share it. */
export interface Shared {
  readonly kinds: LetterKinds;
  text(value: string): string;
  list(values: readonly string[]): readonly string[];
}

/**
 * A letter without its headers, its value and its message. The letter takes about 400 bytes,
 * because letters share equal values, and derive what they can.
 */
export class IndexedLetter implements PlannedLetter {
  readonly kind: LetterKind;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since 1970. */
  readonly failedAtMs: number;
  readonly type: string | null;
  readonly original: string;
  readonly identity: Identity;
  readonly orderid: string | null;
  readonly skus: readonly string[];
  /** The first product that the letter or its message names. Null: neither names one. */
  readonly sku: string | null;
  readonly behind: readonly Identity[];
  readonly cut: readonly CutList[] | undefined;
  readonly position: number | null;
  readonly redrives: number;
  readonly valueBytes: number | null;
  readonly outlook: OutlookWord;
  /** Null: the letter is on the list. */
  fate: Fate | null = null;
  /** The command's id, if its identity has another one. Null: the identity has the id, as usual. */
  readonly #ownId: string | null;
  /** The bytes of the key as Latin-1: a Buffer would take more bytes than the key. */
  readonly #key: string | null;

  constructor(record: ReceivedRecord, shared: Shared) {
    const envelope = envelopeOf(record);
    const head = headOf(record, envelope);
    const [named] = head.skus.length > 0 ? head.skus : subjectIn(envelope).skus;
    this.kind = shared.kinds.of(head);
    this.topic = shared.text(record.topic);
    this.partition = record.partition;
    this.offset = record.offset;
    this.failedAtMs = failedAtMs(record);
    this.type = head.type === null ? null : shared.text(head.type);
    this.original = head.original;
    this.identity = head.identity;
    this.orderid = head.orderid;
    this.skus = shared.list(head.skus);
    this.sku = named === undefined ? null : shared.text(named);
    this.behind = shared.list(head.behind);
    this.cut = head.cut;
    this.position = head.position;
    this.redrives = head.redrives;
    this.valueBytes = head.valueBytes;
    this.outlook = head.position === null ? outlookWord(record, head) : 'good';
    this.#ownId = head.commandId === idOf(head.identity) ? null : head.commandId;
    this.#key = head.key && shared.text(head.key.toString('latin1'));
  }

  get id(): string {
    return placeOf(this);
  }

  get reason(): string {
    return this.kind.reason;
  }

  get commandId(): string {
    return this.#ownId ?? idOf(this.identity);
  }

  get failedAt(): string {
    return new Date(this.failedAtMs).toISOString();
  }

  get key(): Buffer | null {
    return this.#key === null ? null : Buffer.from(this.#key, 'latin1');
  }

  get resolution(): Fate['resolution'] {
    return this.fate?.resolution ?? null;
  }

  get replacedBy(): string | undefined {
    return this.fate?.replacedBy;
  }
}

/** Compares letters by time, the oldest first, and then by place. */
export function byAge(
  one: Pick<IndexedLetter, 'failedAtMs' | 'partition' | 'offset'>,
  other: Pick<IndexedLetter, 'failedAtMs' | 'partition' | 'offset'>,
): number {
  return (
    one.failedAtMs - other.failedAtMs ||
    one.partition - other.partition ||
    one.offset - other.offset
  );
}

function outlookWord(record: ReceivedRecord, head: LetterHead): OutlookWord {
  const outlook = outlookOf(record, head);
  if (outlook === null) return 'good';
  return outlook.failure === null ? 'ignores-fields' : 'fails-again';
}
