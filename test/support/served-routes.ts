import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { FastifyInstance } from 'fastify';
import type { Access, Role } from '../../src/entrypoints/http/doors/access.ts';
import { startApi } from './doors.ts';

interface ServedRoute {
  readonly method: string;
  /** The path with values in place of its parameters. */
  readonly path: string;
  readonly access: Access;
}

/** Values of the parameters that are no names. */
const VALUES: Readonly<Record<string, string>> = { partition: '0', offset: '1' };

const served = await servedRoutes();

/** Every route that takes a role, as the API itself adds them: method, path, role. */
export const ROUTES: readonly (readonly [string, string, Role])[] = served.flatMap(
  ({ method, path, access }) => (access === 'open' ? [] : [[method, path, access] as const]),
);

/** The path of every route that needs no token. */
export const OPEN_ROUTES: readonly string[] = served
  .filter(({ method, access }) => method === 'GET' && access === 'open')
  .map(({ path }) => path);

/** The path of every route that may change something. */
export const ACTS: readonly string[] = ROUTES.filter(([method]) => method === 'POST').map(
  ([, path]) => path,
);

/** Starts an API, and notes each route that Fastify gets from it. */
async function servedRoutes(): Promise<readonly ServedRoute[]> {
  const routes: ServedRoute[] = [];
  const note = (made: unknown) => {
    const { fastify } = made as { readonly fastify: FastifyInstance };
    fastify.addHook('onRoute', ({ method, url, config }) => {
      const access = config?.access;
      // The refusals of other methods have none.
      if (access !== undefined) routes.push({ method: String(method), path: pathOf(url), access });
    });
  };
  subscribe('fastify.initialization', note);
  try {
    await using _api = await startApi({});
    return routes;
  } finally {
    unsubscribe('fastify.initialization', note);
  }
}

function pathOf(url: string): string {
  return url.replace(/:(\w+)/g, (_, name: string) => VALUES[name] ?? name);
}
