import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export const CLIENT_SECRET = 'client-secret+of the service';

/** What the endpoint answers to a request. */
export interface TokenAnswer {
  readonly status: number;
  readonly body: object | string;
}

/** A token as the endpoint gives it. */
export function token(value: string, lifeSeconds?: number): TokenAnswer {
  const body = { access_token: value, token_type: 'Bearer', expires_in: lifeSeconds };
  return { status: 200, body };
}

/** A server on loopback that gives tokens to clients, as OAuth 2.0 describes. */
export class TokenEndpoint implements AsyncDisposable {
  /** The bodies and the credentials of all requests. */
  readonly asked: { readonly form: string; readonly credentials: string }[] = [];
  /** The answer, or what makes one for each request. Null: the endpoint never answers. */
  answer: TokenAnswer | (() => Promise<TokenAnswer>) | null = token('token-1', 3_600);
  readonly #server = createServer((request, response) => {
    void this.#take(request).then(async () => {
      if (this.answer === null) return;
      const { status, body } =
        typeof this.answer === 'function' ? await this.answer() : this.answer;
      const redirect = status === 307 ? { location: '/elsewhere' } : {};
      response.writeHead(status, { 'content-type': 'application/json', ...redirect });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  });

  static async open(): Promise<TokenEndpoint> {
    const endpoint = new TokenEndpoint();
    endpoint.#server.listen(0, '127.0.0.1');
    await once(endpoint.#server, 'listening');
    return endpoint;
  }

  get client() {
    const { port } = this.#server.address() as AddressInfo;
    return {
      tokenEndpoint: `http://127.0.0.1:${port}/token`,
      clientId: 'stock',
      clientSecret: CLIENT_SECRET,
      scope: 'kafka',
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #take(request: IncomingMessage): Promise<void> {
    const [, encoded = ''] = request.headers.authorization?.split(' ') ?? [];
    const credentials = Buffer.from(encoded, 'base64').toString();
    this.asked.push({ form: await text(request), credentials });
  }
}
