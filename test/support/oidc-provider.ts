import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';

const ALGORITHM = 'ES256';

/** Issues tokens like an OpenID Connect provider, on a port of its own. */
export class OidcProvider implements AsyncDisposable {
  readonly #server: Server;
  #keys: { readonly id: string; readonly privateKey: CryptoKey; readonly jwk: object }[] = [];
  /** What the discovery says, over what is right. */
  discovery: Record<string, unknown> = {};
  /** The paths that were asked for. */
  readonly asked: string[] = [];
  /** The status of every answer. */
  status = 200;
  /** The provider answers when this is resolved. */
  mayAnswer: Promise<void> = Promise.resolve();

  private constructor() {
    this.#server = createServer(async (request, response) => {
      this.asked.push(request.url ?? '');
      await this.mayAnswer;
      const answer =
        request.url === '/keys'
          ? { keys: this.#keys.map(({ jwk }) => jwk) }
          : { issuer: this.issuer, jwks_uri: `${this.issuer}/keys`, ...this.discovery };
      response.statusCode = this.status;
      response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
    });
  }

  static async start(): Promise<OidcProvider> {
    const provider = new OidcProvider();
    await new Promise<void>((resolve) => provider.#server.listen(0, '127.0.0.1', resolve));
    await provider.rotate();
    return provider;
  }

  get issuer(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  /** Replaces the key. Tokens of the former key are no longer valid. */
  async rotate(): Promise<void> {
    const id = crypto.randomUUID();
    const { publicKey, privateKey } = await generateKeyPair(ALGORITHM);
    const jwk = { ...(await exportJWK(publicKey)), kid: id, alg: ALGORITHM, use: 'sig' };
    this.#keys = [{ id, privateKey, jwk }];
  }

  /** Signs a token. `claims` replace those of a good one; undefined leaves one out. */
  async token(claims: Record<string, unknown> = {}, header: { typ?: string } = {}) {
    const [key] = this.#keys;
    if (!key) throw new Error('The provider has not started');
    const exp = Math.floor(Date.now() / 1_000) + 300;
    const good = { iss: this.issuer, aud: 'allocation', sub: 'someone', exp, roles: ['read'] };
    return new SignJWT({ ...good, ...claims })
      .setProtectedHeader({ alg: ALGORITHM, kid: key.id, ...header })
      .sign(key.privateKey);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}
