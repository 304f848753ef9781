import { FencedError } from '../../../src/service-layer/errors.ts';
import type { GroupPosition, OutgoingRecord } from '../../../src/service-layer/records.ts';
import { moving, type Parts, publishing, sending, torn } from './planting.ts';

/** Bugs of the answers that go out. */
export const publicationPlants = {
  'the group moves without the records': (parts) =>
    publishing(
      parts,
      ({ producer }) =>
        (_, position) =>
          producer.publish([], position),
    ),
  'the position goes ahead of the records': (parts) =>
    publishing(parts, ({ producer }) => async (records, position) => {
      await producer.publish([], position);
      await producer.publish(records, null);
    }),
  'the position goes after the records': (parts) =>
    publishing(parts, ({ producer }) => async (records, position) => {
      await producer.publish(records, null);
      await producer.publish([], position);
    }),
  'each record has a transaction of its own': (parts) =>
    publishing(parts, ({ producer }) => async (records, position) => {
      for (const record of records.slice(0, -1)) await producer.publish([record], null);
      await producer.publish(records.slice(-1), position);
    }),
  'records are sent in parallel': (parts) =>
    publishing(parts, ({ producer, open }) => async (records, position) => {
      await Promise.all(
        records.map(async (record, index) => (await open(`-${index}`)).publish([record], null)),
      );
      await producer.publish([], position);
    }),
  'a publication does not wait for the one before it': (parts) => {
    let count = 0;
    return publishing(parts, ({ open }) => async (records, position) => {
      count += 1;
      open(`-${count}`)
        .then((producer) => producer.publish(records, position))
        .catch(() => {});
    });
  },
  'a failed publication is published again': (parts) =>
    publishing(
      parts,
      ({ producer, open }) =>
        (records, position) =>
          producer
            .publish(records, position)
            .catch(async () => (await open()).publish(records, position)),
    ),
  'a failed publication is taken for published': (parts) =>
    publishing(parts, ({ producer, open }) => {
      let current = producer;
      return (records, position) =>
        current.publish(records, position).catch(async () => {
          current = await open();
        });
    }),
  'a fenced producer takes its id back': (parts) =>
    publishing(
      parts,
      ({ producer, open }) =>
        (records, position) =>
          producer.publish(records, position).catch(async (error: unknown) => {
            if (!(error instanceof FencedError)) throw error;
            await (await open()).publish(records, position);
          }),
    ),
  'a publication begins with the end of the one before it': (parts) =>
    publishing(parts, ({ producer }) => {
      let last: readonly OutgoingRecord[] = [];
      return (records, position) => {
        const sent = [...last, ...records];
        last = records.slice(-1);
        return producer.publish(sent, position);
      };
    }),
  'an empty publication does not move the group': (parts) =>
    publishing(
      parts,
      ({ producer }) =>
        async (records, position) =>
          records.length === 0 ? undefined : producer.publish(records, position),
    ),
  'the group stands one command too far': (parts) => moving(parts, 1),
  'the group stands one command too short': (parts) => moving(parts, -1),
  'the group stands where the publication before ended': (parts) =>
    publishing(parts, ({ producer }) => {
      let began: GroupPosition | null = null;
      return (records, position) => {
        const before = began;
        began = position;
        return producer.publish(records, before ?? position);
      };
    }),
  'the key of a record is lost': (parts) => sending(parts, (record) => [{ ...record, key: null }]),
  'the id of an event is made up': (parts) =>
    sending(parts, (record) => [
      { ...record, headers: { ...record.headers, ce_id: String(Math.random()) } },
    ]),
  'a composite is torn in two': (parts) => sending(parts, torn),
} satisfies Record<string, (parts: Parts) => Parts>;
