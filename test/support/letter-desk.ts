import { pino } from 'pino';
import { readConfig } from '../../src/config.ts';
import { openBroker } from '../../src/connections.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import type { LogRecord } from '../../src/service-layer/records.ts';
import { topicSettings } from '../../src/topic-settings.ts';
import { ServiceProcess } from './service-process.ts';
import { Shell } from './shell.ts';

/** What the headers of each dead letter of the desk say. */
const REASON = {
  'dead-letter-reason': 'handler-failed',
  'dead-letter-message': 'The handler failed',
  'dead-letter-topic': 'allocation.commands',
  'dead-letter-offset': '4711',
  'dead-letter-attempts': '4',
  'dead-letter-failed-at': '2026-11-23T12:00:00.000Z',
};

/** A shell beside a running service whose dead letters a test makes and resolves. */
export class LetterDesk {
  readonly shell: Shell;
  readonly broker: Broker;
  readonly #service: ServiceProcess;

  private constructor(shell: Shell, service: ServiceProcess, broker: Broker) {
    this.shell = shell;
    this.#service = service;
    this.broker = broker;
  }

  static async open(): Promise<LetterDesk> {
    const shell = await Shell.open();
    const service = await ServiceProcess.start(shell.environment, shell.directory);
    const config = readConfig(shell.environment);
    const broker = await openBroker(config, pino({ level: 'silent' }));
    await broker.ensureTopics(topicSettings(config), false);
    return new LetterDesk(shell, service, broker);
  }

  async close(): Promise<void> {
    await this.broker.close();
    await this.#service.stop();
    await this.shell.close();
  }

  /** Asserts that the dead letters can be listed. @returns those that wait */
  expectList(): Promise<readonly { id: string; reason: string; original: string }[]> {
    return this.shell.expectJsonLines('dead-letters', 'list');
  }

  /** Publishes a dead letter with this value. @returns its id */
  async addLetter(
    value: string,
    headers: LogRecord['headers'] = {},
    partition = 0,
  ): Promise<string> {
    const why = { ...REASON, 'dead-letter-partition': String(partition) };
    const [place] = await this.broker.publish('allocation.dead-letters', [
      { key: 'LAMP', value, headers: { ...headers, ...why } },
    ]);
    return `allocation.dead-letters/${place?.partition}/${place?.offset}`;
  }
}
