import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { CertificateFiles } from './certificates.ts';

const SSL_REQUEST = 80_877_103;
const AUTHENTICATION_OK = message('R', Buffer.from([0, 0, 0, 0]));
const READY = message('Z', Buffer.from('I'));
const NO_ROWS = message('C', Buffer.from('SELECT 0\0'));

/** How the server meets its clients. */
interface Manner {
  /** The certificate. Null: the server offers no TLS. It is read for each connection. */
  readonly certificate: CertificateFiles | null;
  /** The file of the authority that must have signed the client's certificate. */
  readonly clientAuthority?: string;
  /** Refuses each client with an error of PostgreSQL. */
  readonly refusal?: { readonly code: string; readonly text: string };
}

/** The manner of a server that no password satisfies. */
export const WRONG_PASSWORD: Manner = {
  certificate: null,
  refusal: { code: '28P01', text: 'password authentication failed for user "user"' },
};

/** A connection that the server has accepted. */
interface AcceptedConnection {
  readonly isEncrypted: boolean;
  /** The common name in the client's certificate. */
  readonly clientName: string | null;
}

/** A server that speaks the first messages of PostgreSQL, and answers each query with no rows. */
export class HandshakeServer {
  readonly accepted: AcceptedConnection[] = [];
  /** The names that accepted clients gave themselves. */
  readonly applicationNames = new Set<string>();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #manner: Manner;

  private constructor(manner: Manner) {
    this.#manner = manner;
    this.#server = createServer((socket) => this.#meet(socket));
  }

  /** @param socket the path of a Unix socket; absent: all addresses of this machine */
  static async open(manner: Manner, socket?: string): Promise<HandshakeServer> {
    const server = new HandshakeServer(manner);
    if (socket === undefined) server.#server.listen(0);
    else server.#server.listen(socket);
    await once(server.#server, 'listening');
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #meet(socket: Socket): void {
    this.#sockets.add(socket);
    // A client that refuses the certificate resets the connection.
    socket.on('error', () => {});
    socket.once('data', (first) => {
      if (first.length !== 8 || first.readInt32BE(4) !== SSL_REQUEST) {
        this.#welcome(socket, first);
        return;
      }
      const { certificate } = this.#manner;
      socket.write(certificate ? 'S' : 'N');
      if (certificate) this.#encrypt(socket, certificate);
      else socket.once('data', (startup) => this.#welcome(socket, startup));
    });
  }

  #encrypt(socket: Socket, { cert, key }: CertificateFiles): void {
    const { clientAuthority } = this.#manner;
    const secure = new TLSSocket(socket, {
      isServer: true,
      secureContext: createSecureContext({
        cert: readFileSync(cert),
        key: readFileSync(key),
        ...(clientAuthority && { ca: readFileSync(clientAuthority) }),
      }),
      requestCert: clientAuthority !== undefined,
      rejectUnauthorized: clientAuthority !== undefined,
    });
    secure.on('error', () => {});
    secure.once('data', (startup) => this.#welcome(secure, startup));
  }

  #welcome(socket: Socket, startup: Buffer): void {
    const { refusal } = this.#manner;
    if (refusal) {
      socket.end(message('E', Buffer.from(`SFATAL\0C${refusal.code}\0M${refusal.text}\0\0`)));
      return;
    }
    const isEncrypted = socket instanceof TLSSocket;
    const subject = isEncrypted ? socket.getPeerCertificate().subject : undefined;
    this.accepted.push({ isEncrypted, clientName: subject ? String(subject.CN) : null });
    const words = startup.toString().split('\0');
    this.applicationNames.add(words[words.indexOf('application_name') + 1] ?? '');
    socket.on('data', () => socket.write(Buffer.concat([NO_ROWS, READY])));
    socket.write(Buffer.concat([AUTHENTICATION_OK, READY]));
  }
}

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
}
