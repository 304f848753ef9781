import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import type { TopicSettings } from '../../../service-layer/broker.ts';
import { MissingTopicError, TroubleError } from '../../../service-layer/errors.ts';
import {
  asServiceError,
  createAdmin,
  type KafkaOptions,
  OPERATION_TIMEOUT_MS,
  withDeadline,
} from './client.ts';
import type { ClusterView } from './cluster-view.ts';
import { ERROR } from './requests/error-codes.ts';
import { metadata, type TopicPicture } from './requests/metadata-request.ts';
import { errorChain } from './security/error-chain.ts';
import { AccessDeniedError, describeAnswer, isDenial, permitted } from './security/permissions.ts';

/** How often kafkajs's admin tries to connect: seldom, because its callers also try again. */
const CONNECT_RETRIES = 4;
/** How often the creator looks whether new topics have leaders. */
const LOOK_MS = 100;
/** Ends before `OPERATION_TIMEOUT_MS`, so the error says what is missing. */
const LEADERS_TIMEOUT_MS = 8_000;

function settingsAtCreation({ maxMessageBytes, keepsAll = false }: TopicSettings) {
  const unlimited = keepsAll ? { 'retention.ms': -1, 'retention.bytes': -1 } : {};
  const settings = { 'max.message.bytes': maxMessageBytes, ...unlimited };
  return Object.entries(settings).map(([name, value]) => ({ name, value: String(value) }));
}

/** Creates the topics that are missing, or tells the operator how to create them. */
export class TopicCreator {
  readonly #options: KafkaOptions;
  readonly #view: ClusterView;

  constructor(options: KafkaOptions, view: ClusterView) {
    this.#options = options;
    this.#view = view;
  }

  async ensureTopics(topics: readonly TopicSettings[], create: boolean): Promise<void> {
    const existing = new Set(
      await this.#withAdmin('Listing the topics', (admin) => admin.listTopics()),
    );
    const missing = topics.filter(({ name }) => !existing.has(name));
    if (missing.length === 0) return;
    const names = missing.map(({ name }) => name);
    await this.#describe(names);
    if (!create) throw new MissingTopicError(this.#sayHowToCreate(missing));
    await this.#withAdmin('Creating topics', (admin) => {
      const created = admin.createTopics({
        // kafkajs gives up if the node that it asks does not know the topic yet.
        waitForLeaders: false,
        topics: missing.map((topic) => ({
          topic: topic.name,
          numPartitions: topic.partitions,
          configEntries: settingsAtCreation(topic),
        })),
      });
      const explained = created.catch((cause) => {
        throw this.#explainRefusal(cause, missing);
      });
      return permitted(explained, { apiName: 'CreateTopics', topics: names }, this.#options).then(
        () => this.#awaitLeaders(names),
      );
    });
  }

  /** Waits until a node knows the topics, and names a leader of each of their partitions. */
  async #awaitLeaders(names: readonly string[]): Promise<void> {
    const giveUpAt = Date.now() + LEADERS_TIMEOUT_MS;
    for (;;) {
      const topics = await this.#describe(names);
      const waiting = topics.find(
        ({ errorCode, partitions }) =>
          errorCode !== ERROR.NONE || partitions.some(({ leader }) => leader < 0),
      );
      if (!waiting) return;
      if (Date.now() > giveUpAt)
        throw new TroubleError(
          `Kafka has created ${waiting.name}, but after ${LEADERS_TIMEOUT_MS} ms some of its ` +
            'partitions still have no leader. Look at the log of the controller',
        );
      await sleep(LOOK_MS);
    }
  }

  /** Names the topic that Kafka refuses to create, the reason, and what to do. */
  #explainRefusal(cause: unknown, missing: readonly TopicSettings[]): unknown {
    const refusal = [...errorChain(cause)].find(({ topic }) => topic !== undefined);
    const refused = missing.filter(({ name }) => name === refusal?.topic);
    if (refused.length === 0) return cause;
    return new Error(
      `Kafka refuses to create ${refusal?.topic} (${refusal?.type}). Create it yourself, with ` +
        `settings that the cluster allows:\n${this.#commandsToCreate(refused)}`,
      { cause },
    );
  }

  /**
   * Asks for the topics. Kafka's list leaves out those that the client must not see.
   * @throws {AccessDeniedError} a topic may be there, and the client must not see it
   */
  async #describe(names: readonly string[]): Promise<readonly TopicPicture[]> {
    const question = metadata(names);
    const { topics } = await this.#view.ask(question);
    const hidden = topics.filter(({ errorCode }) => isDenial(errorCode));
    if (!hidden[0]) return topics;
    const subject = { ...question.request, topics: hidden.map(({ name }) => name) };
    throw new AccessDeniedError(describeAnswer(hidden[0].errorCode, subject, this.#options));
  }

  #sayHowToCreate(missing: readonly TopicSettings[]): string {
    const names = missing.map(({ name }) => name).join(', ');
    const commands = this.#commandsToCreate(missing);
    return `Kafka does not have these topics: ${names}. Create them with:\n${commands}`;
  }

  #commandsToCreate(topics: readonly TopicSettings[]): string {
    const server = this.#options.brokers.join(',');
    const commands = topics.map((topic) =>
      [
        `kafka-topics.sh --bootstrap-server ${server} --create --topic ${topic.name}`,
        `--partitions ${topic.partitions}`,
        ...settingsAtCreation(topic).map(({ name, value }) => `--config ${name}=${value}`),
      ].join(' '),
    );
    return commands.join('\n');
  }

  /** Asks through kafkajs's admin, with a connection for this one question. */
  async #withAdmin<T>(doing: string, question: (admin: Admin) => Promise<T>): Promise<T> {
    const { admin, close } = createAdmin(this.#options, CONNECT_RETRIES);
    try {
      return await withDeadline(
        admin.connect().then(() => question(admin)),
        OPERATION_TIMEOUT_MS,
        doing,
      );
    } catch (error) {
      throw asServiceError(error, doing);
    } finally {
      void close();
    }
  }
}
