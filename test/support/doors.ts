import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../src/config.ts';
import type { Role } from '../../src/entrypoints/http/doors/access.ts';
import { newToken } from '../../src/entrypoints/http/doors/token-list.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import type { ServiceStatus } from '../../src/status/service-status.ts';
import { HttpApiAlone } from './http-api-alone.ts';

/** A broker that takes every command, and has no events. */
const broker: Partial<Broker> = {
  publish: async (_topic, records) => records.map(() => ({ partition: 0, offset: 0 })),
  logId: async () => 'log',
  offsetRanges: async () => [],
  read: async () => {},
  tail: async () => ({ close: async () => {} }),
};

const NO_PLAN = {
  lines: [],
  command: null,
  refusal: null,
  events: { topic: 'events', offsets: 0 },
  positions: [],
  seconds: 0,
};

/** Starts the API with these settings. */
export function startApi(environment: NodeJS.ProcessEnv): Promise<HttpApiAlone> {
  return HttpApiAlone.start(broker, {
    doors: readConfig(environment).httpDoors,
    query: async () => [],
    status: async () => ({}) as ServiceStatus,
    recovery: { verify: async () => ({}), plan: async () => NO_PLAN },
  });
}

/** Sends a request, and returns its answer without waiting for the end of a stream. */
export async function ask(
  url: string,
  method: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  const body = method === 'POST' ? bodyFor(url) : null;
  const type = { 'content-type': 'application/json' };
  const answer = await fetch(url, { method, body, headers: { ...(body && type), ...headers } });
  if (answer.headers.get('content-type')?.startsWith('text/event-stream'))
    await answer.body?.cancel();
  return answer;
}

/** Returns a body that the route takes. */
function bodyFor(url: string): string {
  if (url.endsWith('/pause')) return '{"reason":"r"}';
  if (url.endsWith('/edit')) return '{"data":{}}';
  if (/\/dead-letters\/\w+$/.test(url)) return '{"all":true,"dryRun":true}';
  return '{"type":"DeallocateOrder","orderid":"o"}';
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** A file of tokens, one for each role that is named. */
export class TokenFile implements AsyncDisposable {
  readonly #folder: string;
  readonly #tokens = new Map<string, ReturnType<typeof newToken>>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async with(...roles: readonly Role[]): Promise<TokenFile> {
    const file = new TokenFile(await mkdtemp(join(tmpdir(), 'allocation-tokens-')));
    await file.renew(...roles);
    return file;
  }

  get path(): string {
    return join(this.#folder, 'tokens.json');
  }

  /** Writes the file with tokens of these roles, and leaves all others out. */
  async renew(...roles: readonly Role[]): Promise<void> {
    for (const role of roles)
      if (!this.#tokens.has(role)) this.#tokens.set(role, newToken(`the ${role}er`, role));
    await this.write(JSON.stringify(roles.map((role) => this.#tokens.get(role)?.listed)));
  }

  write(text: string): Promise<void> {
    return writeFile(this.path, text);
  }

  tokenOf(role: Role): string {
    return this.#tokens.get(role)?.token ?? '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
