import type { ParkedSnapshot } from '../../../src/service-layer/parked-command.ts';
import { SKUS } from '../traffic.ts';
import { committing, inTransaction, isFailed, type Parts, reading } from './planting.ts';

const EVERY_SKU = SKUS.map((sku) => `sku:${sku}`);
/** More than the number of commands that are ever parked. */
const LATER = 1_000;

/** Bugs that show when a handler has failed. */
export const parkingPlants = {
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
} satisfies Record<string, (parts: Parts) => Parts>;
