import { isLoopback } from '../../../loopback.ts';
import { ListenError } from '../listen-error.ts';
import { type DoorSettings, needsTokens } from './settings.ts';

/**
 * Refuses an address that other machines can reach, while nobody needs a token.
 * @throws {ListenError} the message says how to choose
 */
export function refuseOpenDoor(host: string, settings: DoorSettings): void {
  if (isLoopback(host) || needsTokens(settings) || settings.isOpen) return;
  const advice =
    'set HTTP_TOKENS_FILE (see "npx allocation token create --help") or HTTP_OIDC_ISSUER, ' +
    'or HTTP_AUTH=none if something else protects the API, or leave HTTP_HOST out';
  throw new ListenError(
    `HTTP_HOST=${host} lets other machines in without authentication: ${advice}`,
    { advice },
  );
}
