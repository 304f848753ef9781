import { setTimeout as sleep } from 'node:timers/promises';
import { TroubleError } from '../../../../service-layer/errors.ts';
import type { KafkaOptions } from '../client.ts';
import type { ClusterView } from '../cluster-view.ts';
import { ERROR } from '../requests/error-codes.ts';
import type { Exchange } from '../requests/exchange.ts';
import { describeGroup, findCoordinator } from '../requests/group-requests.ts';
import { metadata } from '../requests/metadata-request.ts';
import {
  type AclOperation,
  describeAnswer,
  grantCommand,
  isDenial,
  principalOf,
} from './permissions.ts';

/** The bits of operations in an answer. Source: Apache Kafka, AclOperation. */
const BITS = { Read: 1 << 3, Write: 1 << 4, DescribeConfigs: 1 << 10 } as const;
type TopicOperation = keyof typeof BITS;

/** A new cluster creates its internal topics at the first question, which takes seconds. */
const COORDINATOR_WAIT_MS = 7_000;
const RETRY_MS = 200;
const NOT_YET: readonly number[] = [
  ERROR.COORDINATOR_LOAD_IN_PROGRESS,
  ERROR.COORDINATOR_NOT_AVAILABLE,
  ERROR.NOT_COORDINATOR,
];

/** A permission that the client lacks. */
export interface MissingPermission {
  /** Who lacks which operation on what. */
  readonly what: string;
  /** The command that grants it. */
  readonly grant: string;
}

/**
 * Finds the permissions that the service needs and lacks, as Kafka tells them (KIP-430).
 *
 * Every method rejects with `TroubleError` if Kafka does not answer.
 */
export class MissingPermissions {
  readonly #options: KafkaOptions;
  readonly #view: ClusterView;

  constructor(options: KafkaOptions, view: ClusterView) {
    this.#options = options;
    this.#view = view;
  }

  /**
   * Finds what the client lacks on the topic. Empty if the topic does not exist.
   * @param needed what the service does with the topic
   * @returns null: this Kafka does not tell
   */
  async onTopic(
    name: string,
    needed: readonly TopicOperation[],
  ): Promise<readonly MissingPermission[] | null> {
    const question = metadata([name], { withOperations: true });
    const [topic] = (await this.#view.ask(question)).topics;
    const missing = (operation: AclOperation) =>
      this.#missing(operation, `the topic ${name}`, ['--topic', name]);
    if (!topic || topic.errorCode === ERROR.UNKNOWN_TOPIC_OR_PARTITION) return [];
    if (isDenial(topic.errorCode)) return needed.map(missing);
    this.#refuse(topic.errorCode, question);
    const { operations } = topic;
    if (operations === null) return null;
    return needed.filter((each) => (operations & BITS[each]) === 0).map(missing);
  }

  /** Finds whether the client lacks `Read` on the group. @returns null: this Kafka does not tell */
  async onGroup(group: string): Promise<readonly MissingPermission[] | null> {
    const missing = [this.#missing('Read', `the group ${group}`, ['--group', group])];
    const search = findCoordinator(group);
    const coordinator = await this.#settled(() => this.#view.ask(search));
    if (isDenial(coordinator.errorCode)) return missing;
    this.#refuse(coordinator.errorCode, search);
    const question = describeGroup(group);
    const answer = await this.#settled(() => this.#view.askNode(coordinator, question));
    if (isDenial(answer.errorCode)) return missing;
    this.#refuse(answer.errorCode, question);
    if (answer.operations === null) return null;
    return (answer.operations & BITS.Read) === 0 ? missing : [];
  }

  /**
   * Finds whether Kafka hides the transactional id from the client. Kafka does not tell whether the
   * client may write. Only a producer learns that, and it would fence the service's own producer.
   * @param prefix the beginning of all transactional ids of the service
   */
  async onTransactionalId(id: string, prefix: string): Promise<readonly MissingPermission[]> {
    const question = findCoordinator(id, 'transactional id');
    const { errorCode } = await this.#settled(() => this.#view.ask(question));
    const resource = ['--resource-pattern-type', 'prefixed', '--transactional-id', prefix];
    if (isDenial(errorCode))
      return [this.#missing('Write', `the transactional ids that begin with ${prefix}`, resource)];
    this.#refuse(errorCode, question);
    return [];
  }

  /** Repeats the question, for a limited time, while the coordinator is not there yet. */
  async #settled<T extends { readonly errorCode: number }>(ask: () => Promise<T>): Promise<T> {
    const giveUpAtMs = performance.now() + COORDINATOR_WAIT_MS;
    for (;;) {
      const answer = await ask();
      if (!NOT_YET.includes(answer.errorCode) || performance.now() > giveUpAtMs) return answer;
      await sleep(RETRY_MS);
    }
  }

  #missing(operation: AclOperation, what: string, resource: readonly string[]): MissingPermission {
    return {
      what: `${principalOf(this.#options)} lacks ${operation} on ${what}`,
      grant: grantCommand(operation, resource, this.#options),
    };
  }

  /** Refuses an answer with an error. @throws {TroubleError} the answer has one */
  #refuse(errorCode: number, { request }: Pick<Exchange<unknown>, 'request'>): void {
    if (errorCode === ERROR.NONE) return;
    const answer = describeAnswer(errorCode, request, this.#options);
    throw new TroubleError(`${request.apiName}: Kafka answers ${answer}`);
  }
}
