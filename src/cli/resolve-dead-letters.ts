import { type DeadLetter, marker, type Resolution, readDeadLetters, redriven } from './dead-letter-box.ts';
import { UsageError } from './errors.ts';
import { print, printJson } from './output.ts';
import { answering, type BrokerSession, withBroker } from './session.ts';
import { found } from './show-dead-letters.ts';

export type Action = 'redrive' | 'discard';

/** Which letters, and how to say what became of them. */
export interface Selection {
  readonly ids: readonly string[];
  readonly all: boolean;
  readonly json: boolean;
}

const MAX_BATCH_RECORDS = 500;
const MAX_BATCH_BYTES = 512 * 1024;

/**
 * Redrives or discards the letters that still wait.
 *
 * A redriven message is sent first and marked then. A crash between the two leaves the letter on the list; sent again it is
 * the same command, by its id, and is answered once.
 */
export async function resolveDeadLetters(action: Action, { ids, all, json }: Selection): Promise<void> {
  if (all === ids.length > 0) throw new UsageError(`${action} takes ids, or --all`);
  let done = 0;
  let refused = 0;
  await withBroker({ createTopics: false }, async (session) => {
    const letters = await readDeadLetters(session.broker, session.config.deadLettersTopic);
    const chosen = all ? letters.filter(({ resolution }) => resolution === null) : [...new Set(ids)].map((id) => found(letters, id));
    const resolution = action === 'redrive' ? 'redriven' : 'discarded';
    const open: DeadLetter[] = [];
    for (const letter of chosen) {
      const { id, original, record } = letter;
      if (letter.resolution !== null) {
        say(json, { id, result: 'unchanged', resolution: letter.resolution }, `${id} was ${letter.resolution} before: nothing to do`);
      } else if (action === 'redrive' && record.value === null) {
        refused += 1;
        process.stderr.write(
          `error: ${id} has no value to send: publish the message itself again (it was ${original}), then discard the letter\n`,
        );
      } else {
        open.push(letter);
      }
    }
    for (const batch of batches(open)) {
      await resolve(batch, resolution, session);
      for (const { id } of batch) say(json, { id, result: resolution }, `${id} ${resolution}`);
      done += batch.length;
    }
    if (!json && all) print(done === 0 ? 'No dead letters' : `${done} ${resolution}`);
  });
  if (refused > 0) process.exitCode = 1;
}

async function resolve(letters: readonly DeadLetter[], resolution: Resolution, { broker, config }: BrokerSession): Promise<void> {
  if (resolution === 'redriven') await answering(broker.publish(config.commandsTopic, letters.map(redriven)), config);
  const markers = letters.map((letter) => marker(letter, resolution));
  await answering(broker.publish(config.deadLettersTopic, markers), config);
}

function batches(letters: readonly DeadLetter[]): readonly (readonly DeadLetter[])[] {
  const result: DeadLetter[][] = [];
  let bytes = 0;
  for (const letter of letters) {
    const size = letter.record.value?.length ?? 0;
    const last = result.at(-1);
    if (last && last.length < MAX_BATCH_RECORDS && bytes + size <= MAX_BATCH_BYTES) {
      last.push(letter);
      bytes += size;
    } else {
      result.push([letter]);
      bytes = size;
    }
  }
  return result;
}

function say(json: boolean, value: object, line: string): void {
  if (json) printJson(value);
  else print(line);
}
