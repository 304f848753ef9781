import type { Database, Session } from '../adapters/database/database.ts';
import { TroubleError } from '../service-layer/errors.ts';
import type { MessageBus } from '../service-layer/message-bus.ts';
import type { OrderedCommand } from './lane-cursor.ts';
import { type Failure, type Outcome, outcomeOf } from './outcomes.ts';

/** What a command leads to now. Null: it repeats a command that was answered with no event. */
type OutcomeNow = Outcome | Failure | null;

/**
 * Handles past commands on the database, in one transaction. A handler that throws spoils the
 * transaction. Then each command gets a transaction of its own.
 *
 * @returns the outcome of each command
 * @throws {TroubleError} the database cannot be reached
 */
export async function handleAgain(
  database: Database,
  bus: MessageBus,
  commands: readonly OrderedCommand[],
): Promise<readonly OutcomeNow[]> {
  try {
    return await database.getSession((session) => handleIn(session, bus, commands));
  } catch (error) {
    if (error instanceof TroubleError) throw error;
    if (commands.length === 1) return [{ failure: (error as Error).message }];
  }
  const outcomes: OutcomeNow[] = [];
  for (const each of commands) outcomes.push(...(await handleAgain(database, bus, [each])));
  return outcomes;
}

async function handleIn(
  session: Session,
  bus: MessageBus,
  commands: readonly OrderedCommand[],
): Promise<readonly OutcomeNow[]> {
  // A command that was never answered with an event is handled where it comes first.
  const silent = new Set(
    await session.claim(
      commands.filter(({ published }) => published === null).map(({ identity }) => identity),
    ),
  );
  await session.prepare(commands.flatMap(({ command }) => command ?? []));
  const outcomes: OutcomeNow[] = [];
  for (const { identity, command, published } of commands) {
    if (published === null && !silent.delete(identity)) outcomes.push(null);
    else if (command === null)
      outcomes.push({ failure: 'the message cannot be read as a command' });
    else outcomes.push(outcomeOf(await bus.handle(command, session)));
  }
  return outcomes;
}
