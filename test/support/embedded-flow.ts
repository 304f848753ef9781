import { EmbeddedBroker } from '../../src/adapters/broker/embedded/broker.ts';
import { Database } from '../../src/adapters/database/database.ts';
import { Flow } from './command-flow.ts';
import { eventually } from './eventually.ts';
import type { CommandMessage } from './flow-commands.ts';
import type { History } from './judge/history.ts';
import { readEmbeddedHistory } from './read-history.ts';

const PATIENCE_MS = 60_000;

/** Sends a flow of commands to an embedded log, over its own connection to the file of the log. */
export class EmbeddedFlow extends Flow {
  readonly #logUrl: string;
  #database: Database | null = null;

  constructor(logUrl: string) {
    super();
    this.#logUrl = logUrl;
  }

  async connect(): Promise<void> {
    this.#database = await Database.open(this.#logUrl);
    await this.#database.runMigrations();
  }

  async disconnect(): Promise<void> {
    await this.#database?.close();
  }

  async lag(): Promise<number> {
    const ranges = await this.#broker.offsetRanges(this.topics.commands);
    const committed = await this.#broker.committedOffsets(this.group, this.topics.commands);
    return ranges.reduce((sum, { partition, end }) => sum + end - (committed[partition] ?? 0), 0);
  }

  async forgetOffsets(): Promise<void> {
    await this.#database?.query('delete from log_group_offsets where group_id = ?', [this.group]);
  }

  async history(databaseUrl: string): Promise<History> {
    await this.disconnect();
    return readEmbeddedHistory(this.#logUrl, this.topics, this.group, databaseUrl);
  }

  protected async publish(messages: readonly CommandMessage[]): Promise<void> {
    const records = messages.map((message) => ({ ...message, headers: {} }));
    // Another process may lock the file for longer than a statement waits.
    await eventually(() => this.#broker.publish(this.topics.commands, records), {
      withinMs: PATIENCE_MS,
    });
  }

  get #broker(): EmbeddedBroker {
    if (!this.#database) throw new Error('The flow is not connected');
    return new EmbeddedBroker(this.#database);
  }
}
