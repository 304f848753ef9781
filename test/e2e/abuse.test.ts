// @module-tag db
// @module-tag kafka
// @module-tag slow

import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { redriveRecord } from '../../src/dead-letters/redrive-records.ts';
import { type Identity, idOf } from '../../src/domain/identity.ts';
import { readCommand } from '../../src/messages/read-command.ts';
import { MessageTooLargeError } from '../../src/service-layer/errors.ts';
import { AbuseRun, LAST } from '../support/abuse/abuse-run.ts';
import { classCount } from '../support/abuse/abusive-messages.ts';
import { asReceived, differencesOf } from '../support/abuse/outcomes.ts';
import { expectSomeRefused, failedCommand } from '../support/abuse/redrive.ts';
import { STEPS } from '../support/abuse/valid-stories.ts';
import { readDeadLetters } from '../support/dead-letters.ts';
import { eventually } from '../support/eventually.ts';
import { describeOnEachBroker } from '../support/running-service.ts';

/** ABUSE_SEED=… repeats a run. */
const seed = Number(process.env.ABUSE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const MESSAGES = 10_000;
const STORIES = 400;
const STOCK_TABLES = ['products', 'batches', 'order_lines', 'allocations'];

const brokers = inject('kafkaBrokers');
const name = `${MESSAGES} messages of ${classCount} bad kinds (ABUSE_SEED=${seed})`;
describeOnEachBroker(name, (environment) => itEndures(environment, false));
describe.skipIf(!brokers || !inject('postgresUrl'))(`${name}, on Kafka and PostgreSQL`, () =>
  itEndures({ KAFKA_BROKERS: brokers ?? '' }, true),
);

function itEndures(environment: Record<string, string>, isOnPostgres: boolean): void {
  let run: AbuseRun;

  beforeAll(async () => {
    process.stdout.write(`ABUSE_SEED=${seed}\n`);
    const amounts = { messages: MESSAGES, stories: STORIES };
    run = await AbuseRun.start(environment, isOnPostgres, seed, amounts);
  }, 120_000);

  afterAll(() => run.close());

  it('each is answered once, or is one dead letter', () => {
    const { sent, answers, letters, refused } = run;
    const complaints = sent.flatMap(({ message, place }) => {
      const { className, outcome, record } = message;
      const read = readCommand(asReceived(record), place);
      const isAnswered = outcome === 'answered' || outcome === 'ignored';
      const isDead = outcome === 'judged' ? read.kind === 'unreadable' : !isAnswered;
      const reason = outcome === 'judged' && read.kind === 'unreadable' ? read.reason : outcome;
      const dead = letters.get(place) ?? [];
      const reasons = dead.map(({ headers }) => String(headers['dead-letter-reason']));
      const wrong = dead.flatMap((letter) => differencesOf(message, letter));
      if (reasons.join() !== (isDead ? reason : '')) wrong.push(`dead letters: [${reasons}]`);
      if (isDead && answers.has(place)) wrong.push('answered');
      return wrong.map(
        (what) =>
          `${className} at ${place} (${outcome}): ${what}: ${String(record.value).slice(0, 200)}`,
      );
    });
    expect(complaints.slice(0, 20)).toEqual([]);
    expect(sent.length + refused.length).toBeGreaterThanOrEqual(MESSAGES);
  });

  it('each identity is answered once', () => {
    const commands = run.sent.flatMap(({ message, place }) => {
      const read = readCommand(asReceived(message.record), place);
      return read.kind === 'command'
        ? [{ identity: read.identity, place, className: message.className }]
        : [];
    });
    const complaints = [...Map.groupBy(commands, ({ identity }): string => identity)].flatMap(
      ([identity, places]) => {
        const events = places.flatMap(({ place }) => run.answers.get(place) ?? []);
        const isRight =
          events.length === 1 &&
          String(events[0]?.headers.ce_causationid).endsWith(idOf(identity as Identity));
        return isRight ? [] : [`${places[0]?.className}: ${identity} has ${events.length} answers`];
      },
    );
    expect(complaints.slice(0, 20)).toEqual([]);
  });

  it('the valid commands in between are answered rightly', () => {
    const found = run.steps.map(({ place }) =>
      (run.answers.get(place) ?? []).map(({ headers, value }) => ({
        type: String(headers.ce_type),
        data: JSON.parse(String(value)),
      })),
    );
    expect(found).toEqual(run.steps.map(({ step }) => [step.answer]));
    expect(run.steps).toHaveLength(STORIES * STEPS);
  });

  it('nothing is answered or a dead letter that nobody sent', () => {
    const { sent, steps, oversized, answers, letters } = run;
    const places = new Set([...sent, ...steps, ...oversized].map(({ place }) => place));
    const strange = [...answers.keys(), ...letters.keys()].filter((place) => !places.has(place));
    expect(strange).toHaveLength(2 * LAST);
  });

  it('a message too large for the log is refused, and the error says so', () => {
    const complaints = run.refusals.filter(
      ({ error }) =>
        !(
          error instanceof MessageTooLargeError &&
          /bytes is too large: .* at most \d+/.test(error.message)
        ),
    );
    expect(complaints).toEqual([]);
    expect(run.refusals).toHaveLength(run.refused.length);
  });

  it.skipIf(!environment.KAFKA_BROKERS)(
    'a value too large from another client is one dead letter that says its place',
    () => {
      const { commandsTopic } = run.running.config;
      const found = run.oversized.map(({ message: { className }, place }) => [
        className,
        (run.answers.get(place) ?? []).length,
        (run.letters.get(place) ?? []).map(({ key, value, headers }) => {
          const own = Object.keys(headers).every((header) => header.startsWith('dead-letter-'));
          const saysWhere = String(headers['dead-letter-message']).includes(
            ` at ${commandsTopic}/${place}`,
          );
          return { key, value, reason: String(headers['dead-letter-reason']), own, saysWhere };
        }),
      ]);
      const letter = { key: null, value: null, reason: 'too-large', own: true, saysWhere: true };
      // Large headers make no command too large.
      expect(found).toEqual(
        run.refused.map(({ className }) =>
          className === '5 MB' ? [className, 0, [letter]] : [className, 1, []],
        ),
      );
      expect(found.length).toBeGreaterThan(0);
    },
  );

  it('the service is alive and ready, and its stock is right', async () => {
    const { service, log } = run.running;
    const statusOf = async (path: string) => (await fetch(`${service.http.url}/${path}`)).status;
    expect(await statusOf('healthz')).toBe(200);
    // On a busy machine the broker may answer late, and the service is not ready for that moment.
    await eventually(async () => expect(await statusOf('readyz')).toBe(200));
    expect(log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
    expect(service.consumer.problems()).toEqual([]);
    expect(await run.stock()).toMatchObject(
      [0, 1, 2].map((n) => ({
        sku: `VALID ${n}`,
        version: 4,
        batches: [{ quantity: 7, availableQuantity: 4 }],
      })),
    );
  });

  it('a second redrive of all dead letters changes nothing', async () => {
    const { running } = run;
    const { broker, database } = running.service;
    const { deadLettersTopic, commandsTopic } = running.config;
    const tables = () =>
      Promise.all(
        STOCK_TABLES.map((table) => database.query(`select * from ${table} order by 1, 2`)),
      );
    const all = () => readDeadLetters(broker, deadLettersTopic);
    const failures = [0, 1, 2].map((number) => failedCommand(number, commandsTopic));
    await broker.publish(deadLettersTopic, failures);
    const first = await all();
    const failed = first.filter(({ reason }) => reason === 'handler-failed');
    const empty = first.filter(({ record }) => record.value === null);
    const events = running.events.length;
    expect(await expectSomeRefused(running)).toEqual({
      redriven: first.length - empty.length,
      refused: empty.length,
    });
    await running.idle();
    await run.expectLastOutcomes('once');
    expect(running.events.length).toBe(events + failed.length + LAST);
    expect(await run.stock()).toMatchObject(
      [0, 1, 2].map(() => ({ version: 5, batches: [{ availableQuantity: 3 }] })),
    );
    // Unreadable messages become dead letters again.
    const second = await all();
    expect(second.length).toBe(first.length + first.length - empty.length - failed.length + LAST);

    const before = await tables();
    expect(await expectSomeRefused(running)).toEqual({
      redriven: first.length - empty.length - failed.length + LAST,
      refused: empty.length,
    });
    // A crash between the sending and the marker lets a redrive send these again.
    await broker.publish(commandsTopic, failed.map(redriveRecord));
    await running.idle();
    expect(await tables()).toEqual(before);
    await run.expectLastOutcomes('twice');
    expect(running.events.length).toBe(events + failed.length + 2 * LAST);
  }, 240_000);
}
