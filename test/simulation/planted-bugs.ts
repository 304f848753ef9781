import { type Identity, idOf } from '../../src/domain/identity.ts';
import { readCommand } from '../../src/messages/incoming.ts';
import type { Broker, TransactionalProducer } from '../../src/service-layer/broker.ts';
import { FencedError } from '../../src/service-layer/errors.ts';
import type { LaneTransaction } from '../../src/service-layer/lane-store.ts';
import type { ParkedSnapshot } from '../../src/service-layer/parked-command.ts';
import type {
  GroupPosition,
  OutgoingRecord,
  ReceivedRecord,
} from '../../src/service-layer/records.ts';
import { over } from '../support/over.ts';
import { clusterPlants } from './planted-cluster-bugs.ts';
import { messagePlants } from './planted-message-bugs.ts';
import { orderPlants } from './planted-order-bugs.ts';
import { postgresPlants } from './planted-postgres-bugs.ts';
import {
  answering,
  atOnce,
  committing,
  handling,
  happening,
  inTransaction,
  inTwo,
  isFailed,
  moving,
  type Parts,
  type Publish,
  publishing,
  reading,
  sending,
  torn,
  withBroker,
  withStore,
} from './planting.ts';
import type { SimulatedProducer } from './simulated-log.ts';
import { SKUS } from './traffic.ts';

/** Longer than a history, and shorter than most jumps of its clocks. */
const OLD_MS = 3_600_000;
const REMEMBERED_IDS = 10;
const SOME = 20;
const FEW = 4;
/** How much more is allocated than there is. */
const UNNOTICED = 3;
const EVERY_SKU = SKUS.map((sku) => `sku:${sku}`);
/** More than the number of commands that are ever parked. */
const LATER = 1_000;

/** Bugs that the simulation must find. Each changes the parts of one machine's lanes. */
export const plants = {
  // A lane opens.
  'the committed offset is taken for 0': (parts) =>
    withBroker(parts, {
      committedOffsets: async (...asked) =>
        (await parts.broker.committedOffsets(...asked)).map(() => 0),
    }),
  'the committed offset is asked for once': (parts) => {
    let known: ReturnType<Broker['committedOffsets']> | undefined;
    return withBroker(parts, {
      committedOffsets: (...asked) => {
        known ??= parts.broker.committedOffsets(...asked);
        return known;
      },
    });
  },
  'each owner has a transactional id of its own': (parts) =>
    withBroker(parts, {
      openProducer: (id) => parts.broker.openProducer(`${id}-${Math.random()}`),
    }),
  'a producer is used again after an error': (parts) => {
    const producers = new Map<string, TransactionalProducer>();
    return withBroker(parts, {
      openProducer: async (id) => {
        const former = producers.get(id) as SimulatedProducer | undefined;
        former?.reopen();
        const producer = former ?? (await parts.broker.openProducer(id));
        producers.set(id, producer);
        const publish: Publish = (records, position) =>
          producer.publish(records, position).catch((error: unknown) => {
            // Even this bug lets go of what another holder has taken.
            if (error instanceof FencedError) producers.delete(id);
            throw error;
          });
        return over(producer, { publish });
      },
    });
  },
  'the outbox is lost': (parts) => withStore(parts, { readOutbox: async () => null }),
  'the outbox is read from one command too late': (parts) =>
    withStore(parts, {
      readOutbox: (lane, from, below) => parts.store.readOutbox(lane, from + 1, below),
    }),
  'answers left behind are deleted before they are published': (parts) =>
    withStore(parts, {
      readOutbox: async (lane, from, below) => {
        const found = await parts.store.readOutbox(lane, from, below);
        if (found) await parts.store.deleteOutbox(lane, found.nextOffset);
        return found;
      },
    }),

  // A delivery comes in.
  'a partition resumes one command too late': (parts) =>
    withBroker(parts, {
      consume: ({ assigned, ...options }) =>
        parts.broker.consume({
          ...options,
          assigned: (partition) =>
            assigned(over(partition, { resumeFrom: (offset) => partition.resumeFrom(offset + 1) })),
        }),
    }),
  'a delivery is sorted by key': (parts) =>
    handling(parts, (records, handle) =>
      handle(records.toSorted((one, other) => (String(one.key) < String(other.key) ? -1 : 1))),
    ),
  'a command that is old by the clock is skipped': (parts) =>
    handling(parts, (records, handle) =>
      handle(
        records.filter(
          ({ timestampMs }) => timestampMs > parts.answering.clock().getTime() - OLD_MS,
        ),
      ),
    ),

  'a good command is taken for unreadable': (parts) =>
    handling(parts, (records, handle) =>
      handle(
        records.map((record) =>
          record.offset % SOME === 0 ? { ...record, value: Buffer.from('{') } : record,
        ),
      ),
    ),

  // It is answered, in one database transaction.
  'the owner of a lane is not asked for': (parts) =>
    withStore(parts, {
      transaction: async (lane, expected, work) =>
        parts.store.transaction(
          lane,
          { ...expected, ...(await parts.store.readPosition(lane)) },
          work,
        ),
    }),
  'a transaction is tried again after any error': (parts) =>
    withStore(parts, {
      transaction: (lane, expected, work) =>
        parts.store
          .transaction(lane, expected, work)
          .catch(async () =>
            parts.store.transaction(lane, await parts.store.readPosition(lane), work),
          ),
    }),
  'the position is written in a transaction of its own': (parts) =>
    inTwo(parts, (whole, { nextOffset }) => ({ ...whole, next: { ...whole.next, nextOffset } })),
  'the outbox is written in a transaction of its own': (parts) =>
    inTwo(parts, (whole) => ({ ...whole, outbox: [] })),
  'a lane stands one command too far': (parts) =>
    committing(parts, (progress) => ({
      ...progress,
      next: { ...progress.next, nextOffset: progress.next.nextOffset + 1 },
    })),
  'outbox rows are deleted before they are published': (parts) =>
    committing(parts, (progress) => ({
      ...progress,
      publishedBelowOffset: progress.next.nextOffset,
    })),
  'answers go out before the commit': (parts) =>
    committing(parts, (progress) => atOnce(parts, progress, () => true)),
  'answers go out before those that they rest on': (parts) =>
    committing(parts, (progress) => ({ ...progress, restsOn: [] })),
  'dead letters go out before the commit': (parts) =>
    committing(parts, (progress) =>
      atOnce(parts, progress, ({ topic }) => topic === parts.answering.deadLettersTopic),
    ),
  'dead letters are dropped': (parts) =>
    committing(parts, (progress) => ({
      ...progress,
      outbox: progress.outbox.filter(({ topic }) => topic !== parts.answering.deadLettersTopic),
    })),
  'answered ids are forgotten': (parts) =>
    inTransaction(parts, () => ({ claim: async (ids) => new Set(ids) })),
  'only the last answered ids are remembered': (parts) => {
    const remembered: string[] = [];
    return inTransaction(parts, (transaction) => ({
      claim: async (ids) => {
        const claimed = await transaction.claim(ids);
        const free = new Set(ids.filter((id) => claimed.has(id) || !remembered.includes(id)));
        remembered.push(...ids);
        remembered.splice(0, remembered.length - REMEMBERED_IDS);
        return free;
      },
    }));
  },
  'a command is known by its id alone': (parts) =>
    inTransaction(parts, (transaction) => ({
      claim: async (commands) => {
        const free = new Set(await transaction.claim(commands.map(idOf)));
        return new Set(commands.filter((identity) => free.delete(idOf(identity))));
      },
    })),
  'an id that comes again with another body is answered again': (parts) => {
    const bodies = new Map<Identity, string>();
    const isOther = new Set<Identity>();
    const noting = handling(parts, (records, handle) => {
      for (const { identity, body } of records.flatMap(bodyIn)) {
        if ((bodies.get(identity) ?? body) !== body) isOther.add(identity);
        bodies.set(identity, bodies.get(identity) ?? body);
      }
      return handle(records);
    });
    return inTransaction(noting, (transaction) => ({
      claim: async (ids) => {
        const claimed = await transaction.claim(ids);
        return new Set(ids.filter((id) => claimed.has(id) || isOther.has(id)));
      },
    }));
  },
  'of an id that comes with two bodies in one delivery the last counts': (parts) =>
    handling(parts, (records, handle) => {
      const last = new Map(
        records.flatMap((record) =>
          bodyIn(record).map(({ identity }) => [identity, record] as const),
        ),
      );
      return handle(
        records.filter((record) =>
          bodyIn(record).every(({ identity }) => last.get(identity) === record),
        ),
      );
    }),
  'some commands count only when they come again': (parts) => {
    const seen = new Set<Identity>();
    return inTransaction(parts, (transaction) => ({
      claim: async (commands) => {
        const late = commands.filter(
          (identity) => !seen.has(identity) && seen.add(identity).size % FEW === 0,
        );
        return transaction.claim(commands.filter((identity) => !late.includes(identity)));
      },
    }));
  },
  'an id counts as answered before the commit': (parts) => {
    const seen = new Set<string>();
    return inTransaction(parts, (transaction) => ({
      claim: async (ids) => {
        const claimed = await transaction.claim(ids);
        const free = new Set([...claimed].filter((id) => !seen.has(id)));
        for (const id of ids) seen.add(id);
        return free;
      },
    }));
  },

  'a handler never succeeds on some good commands': (parts) =>
    answering(parts, (command) => {
      if ('orderid' in command && command.orderid.endsWith('7'))
        throw new Error('The handler has a bug');
    }),

  // A handler has failed.
  'commands behind a failed one are not parked': (parts) => reading(parts, () => []),
  'only the failed command itself holds up later commands': (parts) =>
    reading(parts, (parked) => parked.filter(isFailed)),
  'a command that is being redriven holds up nobody': (parts) =>
    reading(parts, (parked) => parked.filter(({ isRedriven }) => !isRedriven)),
  'a failed command holds up every product': (parts) =>
    inTransaction(parts, (transaction) => ({
      writeParked: ({ parked, ...others }) => {
        const behindEverySku = parked.map((command) => ({
          ...command,
          subjects: [...command.subjects, ...EVERY_SKU],
        }));
        return transaction.writeParked({ ...others, parked: behindEverySku });
      },
    })),
  'a redriven command goes to the end of its line': (parts) =>
    reading(parts, (parked) =>
      parked.map((command) =>
        command.isRedriven ? { ...command, position: command.position + LATER } : command,
      ),
    ),
  'a command that is being redriven takes up room': (parts) =>
    reading(parts, (parked) => parked.map((command) => ({ ...command, isRedriven: false }))),
  'the parked commands are read once': (parts) => {
    let known: ParkedSnapshot | undefined;
    return inTransaction(parts, (transaction) => ({
      readParked: async (commands, willPark) => {
        known ??= await transaction.readParked(commands, willPark);
        return known;
      },
    }));
  },
  'a command parked behind a failed one is not noted': (parts) =>
    inTransaction(parts, (transaction) => ({
      writeParked: async (changes) => {
        await transaction.writeParked(changes);
        await transaction.writeParked({
          parked: [],
          unanswered: [],
          gone: changes.parked.filter((each) => !isFailed(each)).map(({ id }) => id),
        });
      },
    })),
  'a parked command counts as answered': (parts) =>
    inTransaction(parts, (transaction) => ({
      writeParked: async (changes) => {
        await transaction.writeParked(changes);
        await transaction.claim(changes.unanswered);
      },
    })),
  'an answered command stays parked': (parts) =>
    inTransaction(parts, (transaction) => ({
      writeParked: ({ parked, unanswered }) =>
        transaction.writeParked({ parked, gone: [], unanswered }),
    })),
  'a parked command has no dead letter': (parts) =>
    committing(parts, (progress) => ({
      ...progress,
      outbox: progress.outbox.filter(
        ({ headers }) => headers['dead-letter-reason'] !== 'parked-behind',
      ),
    })),

  // What has become of the stock is written, and told.
  'stock is kept from one transaction to the next': (parts) => {
    const kept = new Map<string, Awaited<ReturnType<LaneTransaction['products']['get']>>>();
    return inTransaction(parts, ({ products }) => ({
      products: over(products, {
        get: async (sku) => {
          const product = kept.get(sku) ?? (await products.get(sku));
          kept.set(sku, product);
          return product;
        },
      }),
    }));
  },
  'a new product is not written': (parts) =>
    inTransaction(parts, ({ products }) => ({ products: over(products, { add: () => {} }) })),
  'events are counted in memory': (parts) => {
    const counts = new Map<string, number>();
    return happening(parts, (events) =>
      events.map((event) => {
        if (!('version' in event)) return event;
        const version = (counts.get(event.sku) ?? event.version - 1) + 1;
        counts.set(event.sku, version);
        return { ...event, version };
      }),
    );
  },
  'more is allocated than there is': (parts) =>
    inTransaction(parts, ({ products }) => ({
      products: over(products, {
        get: async (sku) => {
          const product = await products.get(sku);
          for (const batch of product?.batches ?? [])
            batch.canAllocate = ({ qty }) => batch.availableQuantity + UNNOTICED >= qty;
          return product;
        },
      }),
    })),
  'only the first event of a command is published': (parts) =>
    happening(parts, (events) => events.slice(0, 1)),

  // The answers go out.
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

  ...messagePlants,
  ...clusterPlants,
  ...orderPlants,
  ...postgresPlants,
} satisfies Record<string, (parts: Parts) => Parts>;

/** Returns the identity and the body of a command, or nothing for what is no command. */
function bodyIn(
  record: ReceivedRecord,
): readonly { readonly identity: Identity; readonly body: string }[] {
  const incoming = readCommand(record, `${record.topic}/${record.partition}/${record.offset}`);
  return incoming.kind === 'command'
    ? [{ identity: incoming.identity, body: JSON.stringify(incoming.command) }]
    : [];
}

export type PlantedBug = keyof typeof plants;
