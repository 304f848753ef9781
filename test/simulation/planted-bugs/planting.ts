import type { Sql } from '../../../src/adapters/database/database.ts';
import type { Command } from '../../../src/domain/commands.ts';
import type { Event } from '../../../src/domain/events.ts';
import type { AnswerContext } from '../../../src/entrypoints/answer-context.ts';
import type { Broker, TransactionalProducer } from '../../../src/service-layer/broker.ts';
import type { PartitionOwner } from '../../../src/service-layer/consumer-group.ts';
import type {
  LaneProgress,
  LaneStore,
  LaneTransaction,
} from '../../../src/service-layer/lane-store.ts';
import type { MessageBus } from '../../../src/service-layer/message-bus.ts';
import type { ParkedCommand } from '../../../src/service-layer/parked-command.ts';
import type { OutgoingRecord } from '../../../src/service-layer/records.ts';
import { over } from '../../support/over.ts';
import type { Flaws } from '../simulated-database.ts';

/** What the lanes of one machine are made of. */
export interface Parts {
  readonly broker: Broker;
  readonly store: LaneStore;
  readonly answerContext: AnswerContext;
  /** Opens the machine's store anew, with something wrong on the way to its database. */
  readonly openStore: (flaws: Flaws) => LaneStore;
}

export type Publish = TransactionalProducer['publish'];
export type Handle = PartitionOwner['handle'];

export const withBroker = (parts: Parts, methods: Partial<Broker>): Parts => ({
  ...parts,
  broker: over(parts.broker, methods),
});
export const withStore = (parts: Parts, methods: Partial<LaneStore>): Parts => ({
  ...parts,
  store: over(parts.store, methods),
});

/** Changes how the machine's lanes reach their database. */
export function withDatabase(parts: Parts, flaws: Flaws): Parts {
  return { ...parts, store: parts.openStore(flaws) };
}

/** Changes the statements of all transactions. */
export function stating(parts: Parts, change: (statement: string) => string): Parts {
  const sql = (original: Sql) =>
    Object.assign(((statement, parameters) => original(change(statement), parameters)) as Sql, {
      run: ((statement, parameters) => original.run(change(statement), parameters)) as Sql['run'],
    });
  return withDatabase(parts, { sql });
}

/** Changes how deliveries reach their owner. */
export function handling(
  parts: Parts,
  handle: (records: Parameters<Handle>[0], owner: Handle) => Promise<void>,
): Parts {
  return withBroker(parts, {
    consume: ({ openOwner, ...options }) =>
      parts.broker.consume({
        ...options,
        openOwner: (partition) => {
          const owner = openOwner(partition);
          return over(owner, { handle: (records) => handle(records, owner.handle) });
        },
      }),
  });
}

/** Changes what the work of a transaction works with. */
export function inTransaction(
  parts: Parts,
  change: (transaction: LaneTransaction) => Partial<LaneTransaction>,
): Parts {
  return withStore(parts, {
    transaction: (lane, expected, work) =>
      parts.store.transaction(lane, expected, (transaction) =>
        work(over(transaction, change(transaction))),
      ),
  });
}

/** Changes which parked commands a transaction reads. */
export function reading(
  parts: Parts,
  change: (parked: readonly ParkedCommand[]) => readonly ParkedCommand[],
): Parts {
  return inTransaction(parts, (transaction) => ({
    readParked: async (commands, willPark) => {
      const parked = await transaction.readParked(commands, willPark);
      return { ...parked, commands: change(parked.commands) };
    },
  }));
}

export const isFailed = ({ behind }: ParkedCommand) => behind.length === 0;

/** Changes what a transaction commits. */
export function committing(
  parts: Parts,
  change: (progress: LaneProgress) => LaneProgress | Promise<LaneProgress>,
): Parts {
  return withStore(parts, {
    transaction: (lane, expected, work) =>
      parts.store.transaction(lane, expected, async (transaction) =>
        change(await work(transaction)),
      ),
  });
}

/** Commits `first` of the progress in one transaction, and the rest in a second one. */
export function inTwo(
  parts: Parts,
  first: (whole: LaneProgress, stood: LaneProgress['next']) => LaneProgress,
): Parts {
  return withStore(parts, {
    transaction: async (lane, expected, work) => {
      let whole: LaneProgress | undefined;
      const begun = await parts.store.transaction(lane, expected, async (transaction) => {
        whole = await work(transaction);
        return first(whole, expected);
      });
      const { outbox, ...rest } = whole as LaneProgress;
      const ended = await parts.store.transaction(lane, begun.next, async () => ({
        ...rest,
        outbox: begun.outbox.length > 0 ? [] : outbox,
      }));
      return { ...ended, outbox: [...begun.outbox, ...ended.outbox] };
    },
  });
}

/** Publishes some of the answers from within the transaction that makes them. */
export async function atOnce(
  { broker }: Parts,
  progress: LaneProgress,
  isMeant: (record: OutgoingRecord) => boolean,
): Promise<LaneProgress> {
  const producer = await broker.openProducer(`at-once-${Math.random()}`);
  await producer.publish(progress.outbox.filter(isMeant), null);
  return { ...progress, outbox: progress.outbox.filter((record) => !isMeant(record)) };
}

/** Changes the events that commands have led to. */
export function happening(
  parts: Parts,
  change: (events: readonly Event[]) => readonly Event[],
): Parts {
  return answering(parts, () => {}, change);
}

/** Does something before a command is handled, and changes the events that it has led to. */
export function answering(
  parts: Parts,
  before: (command: Command) => void,
  change = (events: readonly Event[]) => events,
): Parts {
  const { bus } = parts.answerContext;
  const handle: MessageBus['handle'] = async (command, unitOfWork) => {
    before(command);
    return change(await bus.handle(command, unitOfWork));
  };
  return { ...parts, answerContext: { ...parts.answerContext, bus: over(bus, { handle }) } };
}

/** A lane's producer, and how to open another one, with a suffix of the transactional id. */
export interface Way {
  readonly producer: TransactionalProducer;
  readonly open: (suffix?: string) => Promise<TransactionalProducer>;
}

/** Changes how a lane publishes. */
export function publishing(parts: Parts, publishBy: (way: Way) => Publish): Parts {
  return withBroker(parts, {
    openProducer: async (id) => {
      const open = (suffix = '') => parts.broker.openProducer(id + suffix);
      const producer = await open();
      return over(producer, { publish: publishBy({ producer, open }) });
    },
  });
}

/** Changes the records on their way out. */
export function sending(
  parts: Parts,
  change: (record: OutgoingRecord) => readonly OutgoingRecord[],
): Parts {
  return publishing(
    parts,
    ({ producer }) =>
      (records, position) =>
        producer.publish(records.flatMap(change), position),
  );
}

/** Changes where the group stands after a publication. */
export function moving(parts: Parts, by: number): Parts {
  return publishing(
    parts,
    ({ producer }) =>
      (records, position) =>
        producer.publish(
          records,
          position && { ...position, nextOffset: position.nextOffset + by },
        ),
  );
}

export function torn(record: OutgoingRecord): readonly OutgoingRecord[] {
  if (record.headers.ce_type !== 'CompositeDomainEvent') return [record];
  const { events } = JSON.parse(String(record.value));
  return [events.slice(0, 1), events.slice(1)].map((part) => ({
    ...record,
    value: JSON.stringify({ events: part }),
  }));
}
