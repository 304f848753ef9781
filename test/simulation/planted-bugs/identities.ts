import { type Identity, idOf } from '../../../src/domain/identity.ts';
import { placeOf } from '../../../src/domain/place.ts';
import { readCommand } from '../../../src/messages/read-command.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';
import { handling, inTransaction, type Parts } from './planting.ts';

const REMEMBERED_IDS = 10;
/** Of that many commands, one counts only when it comes again. */
const FEW = 4;

/** Bugs of commands that come again, with the same body or another one. */
export const identityPlants = {
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
} satisfies Record<string, (parts: Parts) => Parts>;

/** Returns the identity and the body of a command, or nothing for what is no command. */
function bodyIn(
  record: ReceivedRecord,
): readonly { readonly identity: Identity; readonly body: string }[] {
  const incoming = readCommand(record, placeOf(record));
  return incoming.kind === 'command'
    ? [{ identity: incoming.identity, body: JSON.stringify(incoming.command) }]
    : [];
}
