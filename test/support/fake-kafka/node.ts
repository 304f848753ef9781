import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import {
  createServer as createTlsServer,
  TLSSocket,
  type TlsOptions,
  Server as TlsServer,
} from 'node:tls';
import { APIS, type ApiName, nameOf, type RequestOf, type ResponseOf } from './apis.ts';
import { clusterHandlers } from './cluster-handlers.ts';
import { decoder, encoder, type Field } from './codec.ts';
import { groupHandlers } from './group-handlers.ts';
import type { Handlers, Model } from './model.ts';
import { type FakeSasl, SaslSession } from './sasl-session.ts';
import type { Fate, Script } from './script.ts';
import { topicHandlers } from './topic-handlers.ts';
import { transactionHandlers } from './transaction-handlers.ts';

const SIZE_BYTES = 4;
/** Kafka ends a connection that announces a larger request, such as one of another protocol. */
const MAX_REQUEST_BYTES = 100 * 1024 * 1024;
const HANDLERS: Handlers<Exclude<ApiName, 'SaslHandshake' | 'SaslAuthenticate'>> = {
  ...clusterHandlers,
  ...topicHandlers,
  ...groupHandlers,
  ...transactionHandlers,
};

/** How the listeners of a fake cluster are secured. */
export interface FakeSecurity {
  /** Null: connections are not encrypted. */
  readonly tls?: TlsOptions | null;
  /** Null: clients need no authentication. */
  readonly sasl?: FakeSasl | null;
}

/** A request as it came. */
export interface Received<N extends ApiName = ApiName> {
  readonly api: N;
  readonly node: number;
  readonly version: number;
  readonly request: RequestOf<N>;
}

/**
 * One node of a fake cluster. Its server takes the requests of a connection one by one, as Kafka
 * does.
 */
export class FakeNode {
  readonly id: number;
  readonly received: Received[] = [];
  readonly #model: Model;
  readonly #script: Script;
  readonly #note: (received: Received) => void;
  readonly #server: Server;
  readonly #sasl: FakeSasl | null;
  readonly #sockets = new Set<Socket>();
  /** The number of connections that clients have opened. */
  opened = 0;

  constructor(
    id: number,
    model: Model,
    script: Script,
    note: (received: Received) => void,
    { tls = null, sasl = null }: FakeSecurity,
  ) {
    this.id = id;
    this.#sasl = sasl;
    const accept = (socket: Socket) => this.#accept(socket);
    this.#server = tls ? createTlsServer(tls, accept) : createServer(accept);
    this.#server.on('connection', (socket: Socket) => {
      this.opened += 1;
      this.#sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
    });
    this.#model = model;
    this.#script = script;
    this.#note = note;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#model.ports.set(this.id, this.port);
  }

  /** Shows this certificate to new connections. */
  renew(tls: TlsOptions): void {
    if (this.#server instanceof TlsServer) this.#server.setSecureContext(tls);
  }

  /** Breaks all connections. */
  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.reset();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #accept(socket: Socket): Promise<void> {
    socket.on('error', () => {});
    const session = new SaslSession(this.#sasl);
    let waiting: Buffer = Buffer.alloc(0);
    try {
      for await (const chunk of socket) {
        waiting = Buffer.concat([waiting, chunk]);
        const announced = waiting.length < SIZE_BYTES ? 0 : waiting.readInt32BE(0);
        if (announced > MAX_REQUEST_BYTES) return breakOff(socket);
        while (
          waiting.length >= SIZE_BYTES &&
          waiting.length >= SIZE_BYTES + waiting.readInt32BE(0)
        ) {
          const end = SIZE_BYTES + waiting.readInt32BE(0);
          const answer = await this.#answer(waiting.subarray(SIZE_BYTES, end), session);
          waiting = waiting.subarray(end);
          if (answer === 'silence') return await once(socket, 'close').then(() => {});
          if (answer === 'broken') return breakOff(socket);
          if (!socket.destroyed) socket.write(answer);
        }
      }
    } catch (error) {
      // The client broke the connection. Any other error is a fault of the fake.
      if (!('code' in (error as Error))) throw error;
    }
  }

  async #answer(frame: Buffer, session: SaslSession): Promise<Buffer | 'silence' | 'broken'> {
    const from = decoder(frame);
    const [key, version, correlationId] = [from.readInt16(), from.readInt16(), from.readInt32()];
    from.readString(); // client id
    const api = nameOf.get(key);
    if (!api) throw new Error(`The fake knows no request ${key}`);
    const { flexible, request: field, response } = APIS[api];
    const form = { version, isFlexible: version >= flexible };
    if (form.isFlexible) from.readTaggedFields();
    const request = (field as Field<unknown>).read(from, form) as RequestOf<ApiName>;
    if (from.offset !== frame.length)
      throw new Error(`${api} v${version} leaves ${frame.length - from.offset} bytes unread`);
    const received = { api, node: this.id, version, request };
    this.received.push(received);
    this.#note(received);
    if (!session.allows(api)) return 'broken';
    const fate = this.#script.next(api, this.id);
    const answer = await this.#carriedOut(received, fate, session);
    if (typeof answer === 'string') return answer;
    const to = encoder().writeInt32(0).writeInt32(correlationId);
    if (form.isFlexible && api !== 'ApiVersions') to.writeUVarInt(0);
    (response as Field<unknown>).write(to, answer, form);
    to.buffer.writeInt32BE(to.buffer.length - SIZE_BYTES, 0);
    return to.buffer;
  }

  async #carriedOut({ api, version, request }: Received, fate: Fate | null, session: SaslSession) {
    if (fate && 'answer' in fate && !fate.isCarriedOut) return fate.answer;
    if (fate && 'silence' in fate && fate.silence === 'before') return 'silence';
    if (fate && 'broken' in fate && fate.broken === 'before') return 'broken';
    const refusal = (place?: string): number => {
      if (!fate || !('error' in fate)) return 0;
      const isMeant =
        fate.at === undefined ? place !== 'top' : place === undefined || place === fate.at;
      return isMeant ? fate.error : 0;
    };
    if (api === 'SaslHandshake') return session.handshake(request as RequestOf<'SaslHandshake'>);
    if (api === 'SaslAuthenticate')
      return session.authenticate(request as RequestOf<'SaslAuthenticate'>);
    const handler = HANDLERS[api] as (
      ...of: unknown[]
    ) => ResponseOf<ApiName> | Promise<ResponseOf<ApiName>>;
    const answer = await handler(this.#model, request, { node: this.id, version, refusal });
    if (fate && 'silence' in fate) return 'silence';
    if (fate && 'broken' in fate) return 'broken';
    if (fate && 'held' in fate) await fate.held;
    return fate && 'answer' in fate ? fate.answer : answer;
  }
}

function breakOff(socket: Socket): void {
  // Only a plain socket can be reset.
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}
