import { z } from 'zod';
import { ConfigError } from './config-error.ts';
import { isTrustedUrl } from './trusted-url.ts';

const file = z.string();
const publicUrl = z
  .string()
  .refine(isPublicUrl, 'must be https://host or http://host:port, several separated by commas')
  .transform((text) => new URL(text.trim()));

/** The settings that decide who may enter the HTTP API. */
export const httpDoorSettings = {
  HTTP_AUTH: z.literal('none', 'must be none, or left out').optional(),
  HTTP_TOKENS_FILE: file.optional(),
  HTTP_OIDC_ISSUER: z
    .string()
    .refine(
      isTrustedUrl,
      'must be an https URL without user and query, or http on a loopback address',
    )
    .optional(),
  HTTP_OIDC_AUDIENCE: z.string().optional(),
  HTTP_OIDC_ROLES_CLAIM: z.string().default('roles'),
  HTTP_TLS_CERT_FILE: file.optional(),
  HTTP_TLS_KEY_FILE: file.optional(),
  HTTP_PUBLIC_URL: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(publicUrl))
    .default([]),
};

type Values = z.infer<z.ZodObject<typeof httpDoorSettings>> & {
  readonly HTTP_PORT: number;
  readonly HTTP_RATE_LIMIT: number;
  readonly METRICS_PORT?: number | undefined;
};

/**
 * Returns who may enter the HTTP API, and how.
 *
 * @throws {ConfigError} settings contradict each other, or one of a pair is missing
 */
export function doorsOf(values: Values) {
  const [issuer, audience] = pairOf(values, 'HTTP_OIDC_ISSUER', 'HTTP_OIDC_AUDIENCE');
  const [certFile, keyFile] = pairOf(values, 'HTTP_TLS_CERT_FILE', 'HTTP_TLS_KEY_FILE');
  const { HTTP_AUTH, HTTP_TOKENS_FILE, HTTP_PORT, METRICS_PORT } = values;
  if (HTTP_AUTH === 'none' && (HTTP_TOKENS_FILE || issuer)) {
    const advice = 'leave it out, or leave HTTP_TOKENS_FILE and HTTP_OIDC_ISSUER out';
    throw new ConfigError(`HTTP_AUTH=none lets everybody in: ${advice}`, { advice });
  }
  if (METRICS_PORT && METRICS_PORT === HTTP_PORT)
    throw new ConfigError('METRICS_PORT and HTTP_PORT must be two different ports');
  return Object.freeze({
    isOpen: HTTP_AUTH === 'none',
    tokensFile: HTTP_TOKENS_FILE ?? null,
    oidc:
      issuer && audience
        ? Object.freeze({ issuer, audience, rolesClaim: values.HTTP_OIDC_ROLES_CLAIM })
        : null,
    tls: certFile && keyFile ? Object.freeze({ certFile, keyFile }) : null,
    publicUrls: values.HTTP_PUBLIC_URL,
    requestsPerSecond: values.HTTP_RATE_LIMIT,
    metricsPort: METRICS_PORT ?? null,
  });
}

/** Returns both values, or neither. @throws {ConfigError} only one of the two is set */
function pairOf(values: Values, one: keyof Values, other: keyof Values) {
  const pair = [values[one], values[other]] as [string | undefined, string | undefined];
  const missing = [one, other].filter((_, index) => pair[index] === undefined);
  if (missing.length === 1) {
    const advice = `set ${missing[0]} too`;
    throw new ConfigError(`${one} and ${other} belong together: ${advice}`, { advice });
  }
  return pair;
}

function isPublicUrl(text: string): boolean {
  const url = URL.parse(text.trim());
  const isHttp = url?.protocol === 'https:' || url?.protocol === 'http:';
  return (
    isHttp &&
    url.username + url.password === '' &&
    url.pathname === '/' &&
    url.search + url.hash === ''
  );
}
