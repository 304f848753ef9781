import { describe, expect, it } from 'vitest';
import { readConfig } from '../../../../../src/config.ts';
import { refuseOpenDoor } from '../../../../../src/entrypoints/http/doors/exposure.ts';

const open = (host: string, environment: NodeJS.ProcessEnv = {}) =>
  refuseOpenDoor(host, readConfig(environment).httpDoors);
const WIDE = ['0.0.0.0', '::', '10.1.2.3', 'stock.test', 'localhost.stock.test', '128.0.0.1'];

describe('The HTTP API without authentication', () => {
  it.each(['localhost', '127.0.0.1', '127.1.2.3', '::1'])('listens on %s', (host) => {
    expect(() => open(host)).not.toThrow();
  });

  it.each(WIDE)('does not listen on %s, and says what to set', (host) => {
    expect(() => open(host)).toThrow(
      new RegExp(`^HTTP_HOST=${host} .*HTTP_TOKENS_FILE.*HTTP_OIDC_ISSUER.*HTTP_AUTH=none`),
    );
  });

  it.each([
    [{ HTTP_AUTH: 'none' }],
    [{ HTTP_TOKENS_FILE: 'tokens.json' }],
    [{ HTTP_OIDC_ISSUER: 'https://issuer.test', HTTP_OIDC_AUDIENCE: 'allocation' }],
  ])('listens everywhere with %o', (environment) => {
    for (const host of WIDE) expect(() => open(host, environment)).not.toThrow();
  });
});
