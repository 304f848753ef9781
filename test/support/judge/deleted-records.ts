import { cutPartitions } from './cut-answers.ts';
import type { Answer, HandledCommand, Letter } from './evidence.ts';
import type { History, HistoryRecord } from './history.ts';
import { identityAnswered, identityIn } from './identity.ts';

interface Place {
  readonly partition: number;
  readonly offset: number;
}

/** What retention has deleted from the topics, and what is still known about it. */
export class DeletedRecords {
  /** Whether commands were deleted. */
  readonly hasCommands: boolean;
  /** Whether events or dead letters were deleted. */
  readonly hasAnswers: boolean;
  readonly #history: History;
  readonly #commandStarts: ReadonlyMap<number, number>;
  /**
   * For each partition that has lost answers: the offset of the first command of each lane whose
   * answer remains.
   */
  readonly #firstAnswered: readonly ReadonlyMap<number, number>[];

  constructor(history: History) {
    const { events, deadLetters, starts } = history;
    this.#history = history;
    this.#commandStarts = starts?.commands ?? new Map();
    this.hasCommands = cutPartitions(this.#commandStarts).length > 0;
    const left = (
      records: readonly HistoryRecord[],
      topicStarts: ReadonlyMap<number, number> = new Map(),
    ) =>
      cutPartitions(topicStarts).map((cut) =>
        firstOffsets(records.filter(({ partition }) => partition === cut).flatMap(commandOf)),
      );
    this.#firstAnswered = [
      ...left(events, starts?.events),
      ...left(deadLetters, starts?.deadLetters),
    ];
    this.hasAnswers = this.#firstAnswered.length > 0;
  }

  /** Tells whether the command at this place was deleted. */
  hasCommandAt(place: string): boolean {
    const [offset, partition] = place.split('/').reverse();
    return Number(offset) < (this.#commandStarts.get(Number(partition)) ?? 0);
  }

  /**
   * Tells whether the answer or dead letter of the command may have been deleted. This is so if a
   * cut partition has answers only to later commands of its lane, or to none.
   */
  mayHaveAnswerTo({ partition, offset }: Place): boolean {
    return this.#firstAnswered.some(
      (firsts) => offset < (firsts.get(partition) ?? Number.POSITIVE_INFINITY),
    );
  }

  /**
   * Tells whether an earlier copy of the command may have been deleted together with its answer,
   * while the service still keeps its id.
   */
  mayHaveEarlierCopyOf(identity: string): boolean {
    const mayHaveAnswer = cutPartitions(this.#commandStarts).some((partition) =>
      this.mayHaveAnswerTo({ partition, offset: 0 }),
    );
    return (
      mayHaveAnswer &&
      [...this.#history.tables.processedIds].some((kept) => identityIn(kept) === identity)
    );
  }

  /** Returns the deleted commands that dead letters have kept. */
  commandsKeptIn(letters: ReadonlyMap<string, Letter>): readonly HistoryRecord[] {
    return [...letters].flatMap(([place, { record }]) => {
      if (!this.hasCommandAt(place)) return [];
      const [offset, partition, ...topic] = place.split('/').reverse();
      const headers = Object.fromEntries(
        Object.entries(record.headers).filter(([name]) => !name.startsWith('dead-letter')),
      );
      return [
        {
          ...record,
          topic: topic.reverse().join('/'),
          partition: Number(partition),
          offset: Number(offset),
          headers,
        },
      ];
    });
  }

  /** Returns the deleted commands that were answered. */
  answeredCommands(answers: ReadonlyMap<string, Answer>): readonly HandledCommand[] {
    if (!this.hasCommands) return [];
    return [...answers.values()]
      .filter(({ place }) => this.hasCommandAt(place))
      .map((answer) => {
        const [offset, partition] = answer.place.split('/').reverse();
        const { headers } = answer.record;
        return {
          place: answer.place,
          partition: Number(partition),
          offset: Number(offset),
          id: headers.ce_causationid ?? '',
          identity: identityAnswered(headers),
          body: null,
          answer,
        };
      });
  }

  /**
   * Returns the products that miss events, so that the remaining events do not explain their stock.
   */
  unknownSkus(answers: Iterable<Answer>): ReadonlySet<string> {
    if (!this.hasAnswers) return new Set();
    const counts = new Map<string, number>();
    for (const { sku, sequence } of [...answers].flatMap(({ events }) => events))
      if (sequence !== undefined) counts.set(String(sku), (counts.get(String(sku)) ?? 0) + 1);
    const { products } = this.#history.tables;
    return new Set(
      products.filter(({ sku, version }) => counts.get(sku) !== version).map(({ sku }) => sku),
    );
  }
}

/** Returns the partition and offset of the command that a record answers. */
function commandOf({ headers }: HistoryRecord): readonly Place[] {
  const [, partition, offset] = /\/(\d+)\/(\d+)(?:\.\d+)?$/.exec(headers.ce_id ?? '') ?? [
    null,
    headers['dead-letter-partition'],
    headers['dead-letter-offset'],
  ];
  return partition === undefined ? [] : [{ partition: Number(partition), offset: Number(offset) }];
}

function firstOffsets(places: readonly Place[]): ReadonlyMap<number, number> {
  const firsts = new Map<number, number>();
  for (const { partition, offset } of places)
    firsts.set(partition, Math.min(offset, firsts.get(partition) ?? offset));
  return firsts;
}
