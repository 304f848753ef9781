import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AclPermissionTypes,
  type Admin,
  AclOperationTypes as Operation,
  ResourcePatternTypes as Pattern,
  AclResourceTypes as Resource,
} from 'kafkajs';
import type { CertificateFiles } from '../certificates.ts';
import { eventually } from '../eventually.ts';
import { freePort } from '../free-port.ts';
import { answers, BROKER_SETTINGS } from '../kafka-broker.ts';
import { plainKafka } from '../topic-reader.ts';
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts';
import { fetchLibraries, requireJava } from './libraries.ts';
import { keyStoreOf, type SecureListener } from './secure-listeners.ts';
import { asProperties, brokerCommand, format, KRAFT_SETTINGS } from './start.ts';

const START_MS = 120_000;

/** A permission: an operation, a kind of resource, and a name or a prefix with `*` at its end. */
export type Grant = readonly [
  operation: keyof typeof Operation,
  kind: keyof typeof Resource,
  name: string,
];

/**
 * One Kafka broker with two listeners. On the one clients need TLS, must say who they are, and need
 * permissions. On the other every client is an administrator.
 */
export class SecureBroker implements AsyncDisposable {
  /** The secure listener. */
  readonly brokers: string;
  /** The listener of administrators, without TLS and SASL. */
  readonly adminBrokers: string;
  readonly #directory: string;
  readonly #running: BrokerProcess;

  private constructor(
    [secure, plain]: readonly [string, string],
    directory: string,
    running: BrokerProcess,
  ) {
    this.brokers = secure;
    this.adminBrokers = plain;
    this.#directory = directory;
    this.#running = running;
  }

  /**
   * Starts the broker.
   * @throws when Java or Maven is missing; the message says why
   */
  static async start(
    certificate: CertificateFiles,
    { protocol, settings: others, users = [], javaOptions = [] }: SecureListener,
  ): Promise<SecureBroker> {
    await requireJava();
    const libraries = await fetchLibraries();
    const directory = await mkdtemp(join(tmpdir(), 'allocation-kafka-secure-'));
    const addresses = await Promise.all([freePort(), freePort(), freePort()]);
    const [secure, plain, controller] = addresses.map((port) => `127.0.0.1:${port}`) as [
      string,
      string,
      string,
    ];
    const settings = join(directory, 'server.properties');
    await writeFile(
      settings,
      asProperties({
        ...BROKER_SETTINGS,
        ...KRAFT_SETTINGS,
        ...SECURED,
        'ssl.keystore.location': await keyStoreOf(certificate, directory),
        ...others,
        'node.id': '1',
        'controller.quorum.voters': `1@${controller}`,
        listeners: `PLAINTEXT://${plain},${protocol}://${secure},CONTROLLER://${controller}`,
        'advertised.listeners': `PLAINTEXT://${plain},${protocol}://${secure}`,
        'log.dirs': join(directory, 'data'),
      }),
    );
    try {
      await format(libraries, settings, users);
      const command = brokerCommand(libraries, settings, javaOptions);
      const isUp = () => eventually(() => answers(plain), { withinMs: START_MS });
      const running = await startBrokerProcess(directory, command, isUp);
      return new SecureBroker([secure, plain], directory, running);
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Gives the user these permissions. */
  async grant(user: string, grants: readonly Grant[]): Promise<void> {
    const acl = grants.map((each) => entryOf(user, each));
    await this.#administer((admin) => admin.createAcls({ acl }));
  }

  /** Takes these permissions away from the user. */
  async revoke(user: string, grants: readonly Grant[]): Promise<void> {
    const filters = grants.map((each) => entryOf(user, each));
    await this.#administer((admin) => admin.deleteAcls({ filters }));
  }

  async #administer(work: (admin: Admin) => Promise<unknown>): Promise<void> {
    // An admin of kafkajs that connects again may still write to its former connection.
    const admin = plainKafka(this.adminBrokers).admin();
    await admin.connect();
    try {
      await work(admin);
    } finally {
      await admin.disconnect();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.end('remove');
    await rm(this.#directory, { recursive: true, force: true });
  }
}

const SECURED: Readonly<Record<string, string>> = {
  'listener.security.protocol.map':
    'PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT',
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  // The user of the listeners that ask nobody who they are: the controller, and the tests.
  'super.users': 'User:ANONYMOUS',
  'ssl.keystore.type': 'PEM',
};

function entryOf(user: string, [operation, kind, name]: Grant) {
  const isPrefix = name.endsWith('*');
  return {
    principal: `User:${user}`,
    host: '*',
    operation: Operation[operation],
    permissionType: AclPermissionTypes.ALLOW,
    resourceType: Resource[kind],
    resourceName: isPrefix ? name.slice(0, -1) : name,
    resourcePatternType: isPrefix ? Pattern.PREFIXED : Pattern.LITERAL,
  };
}
