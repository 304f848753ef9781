import { placeOf } from './history.ts';
import type { Rule } from './rule.ts';

/**
 * Checks that each lane publishes in its order. Within a partition of the events, the answers of
 * one lane have rising offsets.
 */
export const checkLaneOrder: Rule = ({ answers }, report) => {
  const messages = [...answers.values()].flatMap(({ place, messages: of }) =>
    of.map(({ record }) => ({ place, record })),
  );
  const lanes = Map.groupBy(
    messages,
    ({ place, record }) => `${place.slice(0, place.lastIndexOf('/'))} in ${record.partition}`,
  );
  for (const [lane, of] of lanes) {
    let last = -1;
    for (const { place } of of.toSorted((a, b) => a.record.offset - b.record.offset)) {
      const offset = Number(place.slice(place.lastIndexOf('/') + 1));
      if (offset < last)
        report(
          'out-of-order',
          `${lane}: the answer to ${offset} comes after the answer to ${last}`,
        );
      last = offset;
    }
  }
};

/**
 * Checks that all answers about one subject are in one partition, because only a partition has an
 * order.
 */
export const checkSubjects: Rule = ({ answers }, report) => {
  const partitions = new Map<string, number>();
  for (const { place, record } of answers.values()) {
    const { ce_subject: subject } = record.headers;
    if (subject === undefined) continue;
    const first = partitions.get(subject) ?? record.partition;
    partitions.set(subject, first);
    if (record.partition !== first)
      report('scattered', `${subject}: ${place} is in ${record.partition}, others are in ${first}`);
  }
};

/**
 * Checks that the sequences of each product have no gap, and rise within each partition of the
 * events. An answer is published after the answers that it rests on.
 */
export const checkSequences: Rule = ({ answers, deleted }, report) => {
  const events = [...answers.values()]
    .flatMap(({ messages }) => messages)
    .toSorted((a, b) => a.record.offset - b.record.offset)
    .flatMap(({ record, events: of }) =>
      of.map(({ sku, sequence }) => ({ sku: String(sku), sequence, record })),
    )
    .filter(
      (event): event is typeof event & { readonly sequence: number } =>
        event.sequence !== undefined,
    );
  for (const [sku, of] of Map.groupBy(events, (event) => event.sku)) {
    const sequences = of.map(({ sequence }) => sequence).sort((a, b) => a - b);
    const isDouble = (sequence: number, index: number) => sequence === sequences[index - 1];
    const isOff = (sequence: number, index: number) => sequence !== index + 1;
    const wrong = sequences.findIndex(deleted.hasAnswers ? isDouble : isOff);
    if (wrong >= 0) report('sequence', `${sku}: ${sequences[wrong]} where ${wrong + 1} should be`);
    const lasts = new Map<number, number>();
    for (const { sequence, record } of of) {
      const last = lasts.get(record.partition) ?? 0;
      if (sequence < last)
        report('sequence', `${sku}: ${sequence} comes after ${last}, at ${placeOf(record)}`);
      lasts.set(record.partition, sequence);
    }
  }
};
