import type { CommandEvent } from '../commands/command.ts';
import {
  type AcceptedCommand,
  type CommandOutcome,
  type CommandStatus,
  type Place,
  readAccepted,
  readOutcome,
} from './answer.ts';
import { type EventStreamOptions, type StreamedEvents, streamEvents } from './event-stream.ts';
import { ProblemError } from './problem.ts';
import { type Connection, pause, type Request, request } from './requests.ts';

/** Names a command: by its place, by a `Location`, or by the id and source that its sender gave. */
export type CommandName = string | Place | { readonly id: string; readonly source?: string };

export interface SendOptions {
  /** Ends the request and the wait. The command may have been accepted all the same. */
  readonly signal?: AbortSignal;
}

export interface WaitOptions extends SendOptions {
  /** How long to wait for the answer. Default: 10,000. */
  readonly timeoutMs?: number;
}

const DEFAULT_WAIT_MS = 10_000;
/** The longest wait that the service grants to one request. */
const MAX_WAIT_SECONDS = 30;
/** What an answer may take besides the wait. */
const MARGIN_MS = 10_000;
/** How often the status of a command is asked for, once the service no longer waits. */
const POLL_MS = 500;

/**
 * Talks to the service over HTTP. Requests are sent again after network failures, and while the
 * service says that it is busy. A command keeps its id, so that it is decided once.
 *
 * Methods reject with `ProblemError`, `UnreachableError`, or the reason of the signal.
 *
 * @example
 * const client = new AllocationClient({ url: 'http://localhost:8080' });
 * const outcome = await client.sendAndWait(shop.allocateOrder({ orderid, sku: 'LAMP', qty: 2 }));
 */
export class AllocationClient {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Sends a command. Resolves once the log has accepted it; what it leads to is open. */
  async send(command: CommandEvent, { signal }: SendOptions = {}): Promise<AcceptedCommand> {
    return this.#post(command, readAccepted, { signal });
  }

  /**
   * Sends a command, and waits for its answer.
   *
   * @returns the answer, or the reason of the dead letter; `pending` if there is none in time
   */
  async sendAndWait(
    command: CommandEvent,
    { timeoutMs = DEFAULT_WAIT_MS, signal }: WaitOptions = {},
  ): Promise<CommandOutcome> {
    const deadline = Date.now() + timeoutMs;
    const seconds = Math.min(Math.ceil(timeoutMs / 1_000), MAX_WAIT_SECONDS);
    const outcome = await this.#post(command, readOutcome, {
      headers: { prefer: `wait=${seconds}` },
      timeoutMs: seconds * 1_000 + MARGIN_MS,
      signal,
    });
    if (outcome.status !== 'pending') return outcome;
    const later = await this.#poll(outcome, deadline, signal);
    return later.status === 'unknown' ? outcome : later;
  }

  /**
   * Waits for the answer to a command that was sent before, or through Kafka.
   *
   * @returns what has become of the command when the time is up, or earlier if it is decided
   */
  async waitFor(
    name: CommandName,
    { timeoutMs = DEFAULT_WAIT_MS, signal }: WaitOptions = {},
  ): Promise<CommandStatus> {
    const deadline = Date.now() + timeoutMs;
    const status = await this.commandStatus(name, signal ? { signal } : {});
    const isOpen = status.status === 'pending' || status.status === 'unknown';
    return isOpen ? this.#poll(name, deadline, signal) : status;
  }

  /** Asks what has become of a command. `unknown`: the service knows no such command (any more). */
  async commandStatus(name: CommandName, { signal }: SendOptions = {}): Promise<CommandStatus> {
    const path = pathOf(name);
    try {
      return await request(this.#connection, { method: 'GET', path, signal }, readOutcome);
    } catch (error) {
      if (error instanceof ProblemError && error.status === 404) return { status: 'unknown' };
      throw error;
    }
  }

  /**
   * Reads events as they are published, and goes on by itself after the connection was lost. Each
   * item has the id with which to go on after a restart: store it together with the effect of its
   * events. Some items have no events, and only say how far the stream is.
   *
   * Ends with an error if the service cannot be reached any more: begin again with the last id.
   */
  events(options: EventStreamOptions = {}): AsyncGenerator<StreamedEvents, void> {
    return streamEvents(this.#connection, options);
  }

  /** Asks for the status until the command is decided, and at least once. */
  async #poll(
    name: CommandName,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<CommandStatus> {
    for (;;) {
      await pause(Math.min(POLL_MS, Math.max(0, deadline - Date.now())), signal);
      const status = await this.commandStatus(name, signal ? { signal } : {});
      const isOpen = status.status === 'pending' || status.status === 'unknown';
      if (!isOpen || Date.now() >= deadline) return status;
    }
  }

  #post<T>(
    command: CommandEvent,
    read: (response: Response) => Promise<T>,
    { headers = {}, ...rest }: Pick<Request, 'headers' | 'timeoutMs' | 'signal'>,
  ): Promise<T> {
    return request(
      this.#connection,
      {
        method: 'POST',
        path: '/commands',
        headers: { 'content-type': 'application/cloudevents+json', ...headers },
        body: JSON.stringify(command),
        ...rest,
      },
      read,
    );
  }
}

function pathOf(name: CommandName): string {
  if (typeof name === 'string') {
    const place = name.replace(/^\/commands\//, '');
    return `/commands/${place.split('/').map(encodeURIComponent).join('/')}`;
  }
  if ('topic' in name)
    return `/commands/${encodeURIComponent(name.topic)}/${name.partition}/${name.offset}`;
  const query = name.source === undefined ? '' : `?source=${encodeURIComponent(name.source)}`;
  return `/commands/${encodeURIComponent(name.id)}${query}`;
}
