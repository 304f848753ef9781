import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from './cli.ts';
import { HandshakeServer, WRONG_PASSWORD } from './postgres-handshake.ts';
import { ServiceProcess } from './service-process.ts';

/** The password that no output may show. */
export const SECRET = 'pa55-w0rd-of-the-test';

/** A PostgreSQL server that no password satisfies, and a folder with an embedded log. */
export class RefusingPostgres implements AsyncDisposable {
  /** Commands that run here find an embedded log, and go on to the database. */
  readonly directory: string;
  readonly #server: HandshakeServer;

  private constructor(directory: string, server: HandshakeServer) {
    this.directory = directory;
    this.#server = server;
  }

  static async open(): Promise<RefusingPostgres> {
    const directory = await mkdtemp(join(tmpdir(), 'allocation-password-'));
    const postgres = new RefusingPostgres(directory, await HandshakeServer.open(WRONG_PASSWORD));
    const args = ['publish', 'AllocateOrder', 'orderid=order-1', 'sku=LAMP', 'qty=1'];
    const { code, stderr } = await runCli({}, directory, args);
    if (code === 0) return postgres;
    await postgres[Symbol.asyncDispose]();
    throw new Error(`The command that makes the embedded log ended with ${code}: ${stderr}`);
  }

  /** The URL of a database of the server, with the secret as its password. */
  get url(): string {
    return urlAt(this.#server.port);
  }

  /** Returns what a service prints until it says that it cannot use the database at the url. */
  async outputOfService(url = this.url): Promise<string> {
    await using service = ServiceProcess.spawn({ DATABASE_URL: url }, this.directory);
    await service.prints('Cannot use the PostgreSQL database name at 127.0.0.1');
    await service.stop();
    return service.output.join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Returns the URL of a PostgreSQL database at this port, with the secret as its password. */
export function urlAt(port: number): string {
  return `postgresql://user:${SECRET}@127.0.0.1:${port}/name`;
}
