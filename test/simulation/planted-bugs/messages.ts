import type { OutgoingRecord } from '../../../src/service-layer/records.ts';
import { type Parts, publishing, sending } from './planting.ts';

type Headers = Record<string, string>;

/** Bugs in what the answers say. */
export const messagePlants = {
  'the end of an event is cut off': (parts) =>
    events(parts, (record) => ({ ...record, value: String(record.value).slice(0, -1) })),
  'an answer names the command before it': (parts) => {
    let before: string | undefined;
    return events(parts, (record) => {
      const { ce_causationid: own = '' } = record.headers as Headers;
      const named = before ?? own;
      before = own;
      return withHeaders(record, { ce_causationid: named });
    });
  },
  'an answer correlates with itself': (parts) =>
    events(parts, (record) => withHeaders(record, { ce_correlationid: headerOf(record, 'ce_id') })),
  'a trace ends at the service': (parts) =>
    events(parts, (record) => withHeaders(record, { traceparent: undefined })),
  'an answer does not name its schema': (parts) =>
    events(parts, (record) => withHeaders(record, { ce_dataschema: undefined })),
  'an answer does not say who gives it': (parts) =>
    events(parts, (record) => withHeaders(record, { ce_source: undefined })),
  'an event names another topic': (parts) =>
    events(parts, (record) =>
      withHeaders(record, { ce_id: headerOf(record, 'ce_id')?.replace('commands', 'others') }),
    ),
  'an answer is about nothing': (parts) =>
    events(parts, (record) => withHeaders(record, { ce_subject: 'nothing' })),
  'a composite has the key of its first product': (parts) =>
    events(parts, (record) => {
      if (headerOf(record, 'ce_type') !== 'CompositeDomainEvent') return record;
      const [first] = JSON.parse(String(record.value)).events;
      return { ...record, key: first.data.sku ?? record.key };
    }),
  'the parts of a composite do not say what caused them': (parts) =>
    events(parts, (record) => {
      if (headerOf(record, 'ce_type') !== 'CompositeDomainEvent') return record;
      const { events: told } = JSON.parse(String(record.value));
      return {
        ...record,
        value: JSON.stringify({ events: told.map(({ causationid: _, ...part }: Headers) => part) }),
      };
    }),
  'an answer in several messages goes out in several transactions': (parts) =>
    publishing(parts, ({ producer }) => async (records, position) => {
      const isLater = (record: OutgoingRecord) =>
        /\/\d+\.\d+$/.test(headerOf(record, 'ce_id') ?? '');
      const later = records.filter(isLater);
      await producer.publish(
        records.filter((record) => !isLater(record)),
        later.length > 0 ? null : position,
      );
      if (later.length > 0) await producer.publish(later, position);
    }),
  'only the first message of an answer is published': (parts) =>
    sending(parts, (record) => (headerOf(record, 'ce_id')?.endsWith('.2') ? [] : [record])),

  'a dead letter names another topic': (parts) =>
    letters(parts, (record) => [withHeaders(record, { 'dead-letter-topic': 'another' })]),
  'a dead letter loses the headers that came': (parts) =>
    letters(parts, (record) => {
      const own = Object.entries(record.headers).filter(([name]) => name.startsWith('dead-letter'));
      return [{ ...record, headers: Object.fromEntries(own) }];
    }),
  'a dead letter is published twice': (parts) => letters(parts, (record) => [record, record]),
  'an answered command becomes a dead letter as well': (parts) =>
    sending(parts, (record) => {
      const [, topic, partition, offset] =
        /^(.+)\/(\d+)\/(\d+)$/.exec(headerOf(record, 'ce_id') ?? '') ?? [];
      if (
        offset === undefined ||
        partition === undefined ||
        topic === undefined ||
        record.topic === parts.answerContext.deadLettersTopic
      )
        return [record];
      const why = { 'dead-letter-reason': 'malformed', 'dead-letter-topic': topic };
      const where = { 'dead-letter-partition': partition, 'dead-letter-offset': offset };
      return [
        record,
        {
          topic: parts.answerContext.deadLettersTopic,
          key: null,
          value: null,
          headers: { ...why, ...where },
        },
      ];
    }),
} satisfies Record<string, (parts: Parts) => Parts>;

function events(parts: Parts, change: (record: OutgoingRecord) => OutgoingRecord): Parts {
  return sending(parts, (record) => [
    record.topic === parts.answerContext.eventsTopic ? change(record) : record,
  ]);
}

function letters(
  parts: Parts,
  change: (record: OutgoingRecord) => readonly OutgoingRecord[],
): Parts {
  return sending(parts, (record) =>
    record.topic === parts.answerContext.deadLettersTopic ? change(record) : [record],
  );
}

function withHeaders(
  record: OutgoingRecord,
  headers: Record<string, string | undefined>,
): OutgoingRecord {
  const all = Object.entries({ ...record.headers, ...headers }).filter(
    ([, text]) => text !== undefined,
  );
  return { ...record, headers: Object.fromEntries(all) };
}

function headerOf({ headers }: OutgoingRecord, name: string): string | undefined {
  return headers[name] === undefined ? undefined : String(headers[name]);
}
