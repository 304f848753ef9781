import kafkajs from 'kafkajs';
import { expect } from 'vitest';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';
import { postgresDatabase } from '../databases.ts';
import { eventually } from '../eventually.ts';
import { RunningService } from '../running-service.ts';
import { plainKafka } from '../topic-reader.ts';
import { type AbusiveMessage, abusiveMessages } from './abusive-messages.ts';
import { answeredPlace, deadPlace } from './outcomes.ts';
import { mix, type Step, validStory } from './valid-stories.ts';

const CHUNK = 500;
const LARGEST_BYTES = 6_000_000;
/** How many commands, and how many bad messages, `expectLastOutcomes` sends. */
export const LAST = 20;

/** How much is sent. */
interface Amounts {
  readonly messages: number;
  readonly stories: number;
}

interface Sent {
  readonly message: AbusiveMessage;
  readonly place: string;
}

type ByPlace = ReadonlyMap<string, readonly ReceivedRecord[]>;

/** A running service, everything that was sent to it, and everything that came of it. */
export class AbuseRun {
  readonly running: RunningService;
  readonly sent: Sent[] = [];
  readonly steps: { readonly step: Step; readonly place: string }[] = [];
  /** The messages that the log does not take from the service's own client. */
  readonly refused: readonly AbusiveMessage[];
  readonly refusals: { readonly className: string; readonly error: unknown }[] = [];
  /** The same messages, sent by a client that ignores the limit. */
  readonly oversized: Sent[] = [];
  /** The events by the place of the command. */
  answers: ByPlace = new Map();
  /** The dead letters by the place of the message. */
  letters: ByPlace = new Map();
  readonly #removeDatabase: () => Promise<void>;

  private constructor(
    running: RunningService,
    refused: readonly AbusiveMessage[],
    removeDatabase: () => Promise<void>,
  ) {
    this.running = running;
    this.refused = refused;
    this.#removeDatabase = removeDatabase;
  }

  /** Starts a service, sends bad messages and good commands, and waits for all outcomes. */
  static async start(
    environment: Record<string, string>,
    isOnPostgres: boolean,
    seed: number,
    amounts: Amounts,
  ): Promise<AbuseRun> {
    const server = isOnPostgres ? await postgresDatabase() : null;
    const running = await RunningService.start({
      ...environment,
      ...(server ? { DATABASE_URL: server.url } : {}),
    });
    const messages = abusiveMessages(seed, amounts.messages);
    const refused = messages.filter(({ outcome }) => outcome === 'refused');
    const run = new AbuseRun(running, refused, async () => server?.remove());
    const taken = messages.filter((message) => !refused.includes(message));
    const stories = Array.from({ length: amounts.stories }, (_, n) => validStory(n));
    await run.#sendAll(mix(taken, stories, seed));
    await run.#sendRefused();
    if (environment.KAFKA_BROKERS) await run.#sendByAnotherClient(environment.KAFKA_BROKERS);
    await running.idle();
    await run.expectLastOutcomes('the end');
    const { commandsTopic } = running.config;
    run.answers = Map.groupBy(running.events, (event) => answeredPlace(commandsTopic, event));
    run.letters = Map.groupBy(running.deadLetters, deadPlace);
    return run;
  }

  async close(): Promise<void> {
    await this.running[Symbol.asyncDispose]();
    await this.#removeDatabase();
  }

  /**
   * Sends last messages to every partition, and asserts that their outcomes come soon. By then, the
   * outcomes of all earlier messages are read too.
   */
  async expectLastOutcomes(name: string): Promise<void> {
    const { running } = this;
    const keys = Array.from({ length: LAST }, (_, n) => `${name} ${n}`);
    const commands = keys.map((sku) => ({ type: 'CreateBatch', reference: sku, sku, quantity: 1 }));
    await running.send(...commands, ...keys.map((key) => ({ key, value: name })));
    await eventually(
      () => {
        expect(
          running.events.filter(({ headers }) => String(headers.ce_subject).startsWith(name)),
        ).toHaveLength(LAST);
        expect(running.deadLetters.filter(({ value }) => String(value) === name)).toHaveLength(
          LAST,
        );
      },
      { withinMs: 20_000 },
    );
  }

  /** Returns the stock of the first three stories. */
  stock(): Promise<readonly unknown[]> {
    const { url } = this.running.service.http;
    return Promise.all(
      [0, 1, 2].map(async (n) => (await fetch(`${url}/products/VALID%20${n}`)).json()),
    );
  }

  async #sendAll(items: readonly (AbusiveMessage | Step)[]): Promise<void> {
    for (let start = 0; start < items.length; start += CHUNK) {
      const chunk = items.slice(start, start + CHUNK);
      const places = await this.running.send(...chunk.map(({ record }) => record));
      for (const [index, item] of chunk.entries()) {
        const place = places[index] ?? '';
        if ('answer' in item) this.steps.push({ step: item, place });
        else this.sent.push({ message: item, place });
      }
    }
  }

  async #sendRefused(): Promise<void> {
    for (const { className, record } of this.refused) {
      const error = await this.running.send(record).then(
        () => null,
        (reason: unknown) => reason,
      );
      this.refusals.push({ className, error });
    }
  }

  /** Sends with a client that ignores the limit, to a topic whose limit somebody has raised. */
  async #sendByAnotherClient(brokers: string): Promise<void> {
    const { commandsTopic: topic } = this.running.config;
    const kafka = plainKafka(brokers);
    const [admin, producer] = [kafka.admin(), kafka.producer()];
    await Promise.all([admin.connect(), producer.connect()]);
    const configEntries = [{ name: 'max.message.bytes', value: String(LARGEST_BYTES) }];
    const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configEntries };
    await admin.alterConfigs({ validateOnly: false, resources: [resource] });
    for (const message of this.refused) {
      const { key, value, headers } = message.record;
      const [sent] = await producer.send({
        topic,
        messages: [{ partition: 0, key, value, headers: headers as kafkajs.IHeaders }],
      });
      this.oversized.push({ message, place: `0/${sent?.baseOffset}` });
    }
    await Promise.all([admin.disconnect(), producer.disconnect()]);
  }
}
