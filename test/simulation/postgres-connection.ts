import type { Result } from './open-transactions.ts';
import { Backend, type Outcome, type Server } from './postgres-backend.ts';
import type { Machine } from './world.ts';

/** How long a client takes to notice that its connection was reset. */
const LONGEST_RESET_MS = 1_000;

/** How long the driver keeps a connection that nobody uses. */
export const IDLE_TIMEOUT_MS = 10_000;

/** As much of a socket as the service looks at. */
class Stream {
  bytesRead = 0;
  destroyed = false;
  readonly #onDestroyed: (error: Error) => void;

  constructor(onDestroyed: (error: Error) => void) {
    this.#onDestroyed = onDestroyed;
  }

  destroy(error: Error = new Error('Connection terminated')): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#onDestroyed(error);
  }
}

/**
 * A machine's connection to the server, as its driver shows it. Both ends notice a reset sooner or
 * later. Neither end notices by itself that the connection goes silent: nothing arrives any more,
 * in either direction.
 */
export class Connection {
  readonly connection: { readonly stream: Stream };
  readonly machine: Machine;
  readonly #server: Server;
  readonly #silentShare: number;
  readonly #backend: Backend;
  readonly #pending = new Set<(error: Error) => void>();
  #isSilent = false;

  /** @param silentShare the share of broken connections that go silent instead of being reset */
  constructor(server: Server, machine: Machine, silentShare: number) {
    this.#server = server;
    this.machine = machine;
    this.#silentShare = silentShare;
    const stream = new Stream((error) => this.#closed(error));
    this.connection = { stream };
    this.#backend = new Backend(server, (error) => this.#reach(() => stream.destroy(error)));
  }

  get backend(): Backend {
    return this.#backend;
  }

  /** Has the driver's name, because the service puts a watch in its place. */
  query(statement: string, parameters: readonly unknown[] = []): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    if (this.machine.isDead) return promise;
    if (this.machine.isFrozen) {
      // A machine that stalls between two steps has not sent the next one.
      this.machine.hears(() => void this.query(statement, parameters).then(resolve, reject));
      return promise;
    }
    if (this.connection.stream.destroyed)
      return Promise.reject(new Error('Client has encountered a connection error'));
    this.#pending.add(reject);
    this.#send(statement, parameters, (outcome) => {
      this.#pending.delete(reject);
      this.connection.stream.bytesRead += 1;
      if ('error' in outcome) reject(outcome.error);
      else resolve(outcome.result);
    });
    return promise;
  }

  async end(): Promise<void> {
    this.connection.stream.destroy();
  }

  /** Lets nothing through any more, and tells neither end. */
  silence(): void {
    this.#isSilent = true;
  }

  /** Breaks the connection. Each end notices in its own time. */
  reset(): void {
    const { world } = this.#server;
    world.after(world.random() * LONGEST_RESET_MS, () => this.#backend.clientIsGone());
    world.after(world.random() * LONGEST_RESET_MS, () =>
      this.machine.hears(() => this.connection.stream.destroy(new Error('read ECONNRESET'))),
    );
  }

  #send(statement: string, parameters: readonly unknown[], hear: (outcome: Outcome) => void): void {
    const { world } = this.#server;
    const what = short(statement);
    const { thereMs, backMs, ...journey } = world.journey(what);
    const isCutOff =
      what === 'commit' && world.isTroubled && world.chance(this.#server.commitLossRate);
    const isLost = journey.isLost || (isCutOff && world.chance(0.5));
    const isAnswerLost = journey.isAnswerLost || isCutOff;
    if (isLost) this.#break(what);
    if (isLost) return;
    world.after(thereMs, () => {
      if (this.#isSilent) return;
      this.#backend.execute(statement, parameters, (outcome) => {
        world.trace(
          this.machine.name,
          what,
          isAnswerLost ? 'ANSWER LOST' : '',
          'error' in outcome ? outcome.error : '',
        );
        if (isAnswerLost) this.#break(what);
        else world.after(backMs, () => this.#reach(() => hear(outcome)));
      });
    });
  }

  #break(what: string): void {
    const { world, happens } = this.#server;
    const goesSilent = world.chance(this.#silentShare);
    world.trace(this.machine.name, what, goesSilent ? 'goes silent' : 'is reset');
    if (goesSilent) {
      happens('silent connection');
      this.silence();
    } else this.reset();
  }

  /** Lets the machine's end hear of something, unless the connection is silent. */
  #reach(what: () => void): void {
    if (this.#isSilent) return;
    this.machine.hears(() => {
      if (!this.connection.stream.destroyed) what();
    });
  }

  #closed(error: Error): void {
    for (const reject of this.#pending) reject(error);
    this.#pending.clear();
    if (this.#isSilent) return;
    const { world } = this.#server;
    world.after(world.random(), () => this.#backend.clientIsGone());
  }
}

type Listener = (...told: readonly never[]) => void;

/** As much of the driver's pool as the service knows. */
export class Pool {
  readonly #connect: () => Promise<Connection>;
  readonly #listeners = new Map<string, Listener>();
  readonly #idle: {
    readonly connection: Connection;
    readonly timer: ReturnType<typeof setTimeout>;
  }[] = [];

  constructor(connect: () => Promise<Connection>) {
    this.#connect = connect;
  }

  on(event: string, listener: Listener): void {
    this.#listeners.set(event, listener);
  }

  async use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = this.#takeIdle() ?? (await this.#openOne());
    this.#tell('acquire', connection);
    try {
      return await work(connection);
    } finally {
      this.#tell('release', undefined, connection);
      if (connection.connection.stream.destroyed) this.#tell('remove', connection);
      else this.#rest(connection);
    }
  }

  async #openOne(): Promise<Connection> {
    const connection = await this.#connect();
    this.#tell('connect', connection);
    return connection;
  }

  /** Closes the connection unless somebody wants it soon. */
  #rest(connection: Connection): void {
    const timer = setTimeout(() => {
      this.#idle.splice(
        this.#idle.findIndex((idle) => idle.connection === connection),
        1,
      );
      this.#tell('remove', connection);
      connection.connection.stream.destroy();
    }, IDLE_TIMEOUT_MS);
    this.#idle.push({ connection, timer });
  }

  /** Takes an idle connection. Drops closed ones from the pool, as the driver does. */
  #takeIdle(): Connection | undefined {
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      const { connection, timer } = idle;
      clearTimeout(timer);
      if (!connection.connection.stream.destroyed) return connection;
      this.#tell('remove', connection);
    }
    return undefined;
  }

  #tell(event: string, ...told: readonly unknown[]): void {
    this.#listeners.get(event)?.(...(told as readonly never[]));
  }
}

const shortened = new Map<string, string>();

export function short(statement: string): string {
  const text = shortened.get(statement) ?? statement.replaceAll(/\s+/g, ' ').slice(0, 60);
  shortened.set(statement, text);
  return text;
}
