import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { ConfigError } from '../../src/config-error.ts';
import { TestAuthority } from '../support/certificates.ts';

const KEY_PASSWORD = 'key-pass-word';
const BROKERS = { KAFKA_BROKERS: 'one:9093' };
const SCRAM = {
  ...BROKERS,
  KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT',
  KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
  KAFKA_SASL_USERNAME: 'alice',
  KAFKA_SASL_PASSWORD: 'pass-word',
};
const BEARER = {
  ...BROKERS,
  KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT',
  KAFKA_SASL_MECHANISM: 'OAUTHBEARER',
  KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL: 'https://login.test/token',
  KAFKA_SASL_OAUTHBEARER_CLIENT_ID: 'stock',
  KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET: 'client-secret',
};

let folder: string;
let ca: string;
let cert: string;
let key: string;
let otherKey: string;
let lockedKey: string;
let half: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'allocation-kafka-settings-'));
  const authority = await TestAuthority.create(folder, 'authority');
  ca = authority.rootCert;
  ({ cert, key } = await authority.sign('client'));
  ({ key: otherKey } = await authority.sign('other'));
  lockedKey = join(folder, 'locked.key');
  const lock = ['-topk8', '-in', key, '-out', lockedKey, '-passout', `pass:${KEY_PASSWORD}`];
  execFileSync('openssl', ['pkcs8', ...lock]);
  half = join(folder, 'half.pem');
  const whole = await readFile(ca);
  await writeFile(half, whole.subarray(0, whole.length / 2));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const messageOf = (environment: NodeJS.ProcessEnv): string => {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'valid';
};
const ssl = (others: NodeJS.ProcessEnv = {}) => ({
  ...BROKERS,
  KAFKA_SECURITY_PROTOCOL: 'SSL',
  ...others,
});
const without = (environment: NodeJS.ProcessEnv, name: string) => ({ ...environment, [name]: '' });

describe('the connections to Kafka', () => {
  it('are plain by default', () => {
    expect(readConfig(BROKERS).kafkaSecurity).toBeNull();
    expect(readConfig({ KAFKA_SECURITY_PROTOCOL: 'PLAINTEXT' }).kafkaSecurity).toBeNull();
  });

  it('trust the authorities that Node knows, or those of a file', () => {
    const none = { caFile: null, certFile: null, keyFile: null, keyPassword: null };
    expect(readConfig(ssl()).kafkaSecurity).toEqual({ tls: none, sasl: null });
    expect(readConfig(ssl({ KAFKA_SSL_CA_FILE: ca })).kafkaSecurity?.tls?.caFile).toBe(ca);
  });

  it('take a certificate with its key, even a locked one', () => {
    const given = { KAFKA_SSL_CERT_FILE: cert, KAFKA_SSL_KEY_FILE: key };
    expect(messageOf(ssl(given))).toBe('valid');
    const locked = { ...given, KAFKA_SSL_KEY_FILE: lockedKey };
    expect(messageOf(ssl({ ...locked, KAFKA_SSL_KEY_PASSWORD: KEY_PASSWORD }))).toBe('valid');
  });

  it('take a user with a password, or a client of a token endpoint', () => {
    expect(readConfig(SCRAM).kafkaSecurity).toEqual({
      tls: null,
      sasl: { mechanism: 'SCRAM-SHA-512', username: 'alice', password: 'pass-word' },
    });
    const secure = { ...BEARER, KAFKA_SECURITY_PROTOCOL: 'SASL_SSL', KAFKA_SSL_CA_FILE: ca };
    expect(readConfig(secure).kafkaSecurity).toMatchObject({
      tls: { caFile: ca },
      sasl: {
        mechanism: 'OAUTHBEARER',
        tokenEndpoint: 'https://login.test/token',
        clientId: 'stock',
        clientSecret: 'client-secret',
        scope: null,
      },
    });
  });

  it('take their secrets from files', async () => {
    const file = join(folder, 'password');
    await writeFile(file, 'from-a-file\n');
    const given = { ...without(SCRAM, 'KAFKA_SASL_PASSWORD'), KAFKA_SASL_PASSWORD_FILE: file };
    expect(readConfig(given).kafkaSecurity?.sasl).toMatchObject({ password: 'from-a-file' });
  });
});

describe('settings that do not fit together', () => {
  const rows: readonly (readonly [string, () => NodeJS.ProcessEnv, RegExp])[] = [
    [
      'an unknown protocol',
      () => ({ KAFKA_SECURITY_PROTOCOL: 'TLS' }),
      /^KAFKA_SECURITY_PROTOCOL=TLS .*must be one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL/,
    ],
    [
      'an unknown mechanism',
      () => ({ ...SCRAM, KAFKA_SASL_MECHANISM: 'GSSAPI' }),
      /^KAFKA_SASL_MECHANISM=GSSAPI .*must be one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHB/,
    ],
    [
      'a protocol without brokers',
      () => ({ KAFKA_SECURITY_PROTOCOL: 'SSL' }),
      /^KAFKA_SECURITY_PROTOCOL=SSL needs KAFKA_BROKERS/,
    ],
    [
      'an authority without TLS',
      () => ({ ...SCRAM, KAFKA_SSL_CA_FILE: ca }),
      /^KAFKA_SSL_CA_FILE needs KAFKA_SECURITY_PROTOCOL=SSL or SASL_SSL/,
    ],
    [
      'a user without SASL',
      () => ssl({ KAFKA_SASL_USERNAME: 'alice' }),
      /^KAFKA_SASL_USERNAME needs KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT or SASL_SSL/,
    ],
    [
      'SASL without a mechanism',
      () => without(SCRAM, 'KAFKA_SASL_MECHANISM'),
      /^KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT needs KAFKA_SASL_MECHANISM: one of PLAIN, /,
    ],
    [
      'a mechanism without a user',
      () => without(SCRAM, 'KAFKA_SASL_USERNAME'),
      /^KAFKA_SASL_MECHANISM=SCRAM-SHA-512 needs KAFKA_SASL_USERNAME/,
    ],
    [
      'a user without a password',
      () => without(SCRAM, 'KAFKA_SASL_PASSWORD'),
      /^KAFKA_SASL_MECHANISM=SCRAM-SHA-512 needs KAFKA_SASL_PASSWORD/,
    ],
    [
      'a token for a user with a password',
      () => ({ ...SCRAM, KAFKA_SASL_OAUTHBEARER_SCOPE: 'kafka' }),
      /^KAFKA_SASL_OAUTHBEARER_SCOPE needs KAFKA_SASL_MECHANISM=OAUTHBEARER/,
    ],
    [
      'a password beside a token',
      () => ({ ...BEARER, KAFKA_SASL_PASSWORD: 'pass-word' }),
      /^KAFKA_SASL_PASSWORD needs KAFKA_SASL_MECHANISM=PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512/,
    ],
    [
      'a client without a secret',
      () => without(BEARER, 'KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET'),
      /^KAFKA_SASL_MECHANISM=OAUTHBEARER needs KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET/,
    ],
    [
      'a token endpoint without TLS',
      () => ({ ...BEARER, KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL: 'http://login.test/' }),
      /^KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL=.* must be an https URL/,
    ],
    [
      'a token endpoint with a password',
      () => ({ ...BEARER, KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL: 'https://a:pass-word@b/' }),
      /^KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL is not valid/,
    ],
    [
      'a certificate without its key',
      () => ssl({ KAFKA_SSL_CERT_FILE: cert }),
      /^KAFKA_SSL_CERT_FILE needs KAFKA_SSL_KEY_FILE/,
    ],
    [
      'a key without its certificate',
      () => ssl({ KAFKA_SSL_KEY_FILE: key }),
      /^KAFKA_SSL_KEY_FILE needs KAFKA_SSL_CERT_FILE/,
    ],
    [
      'a password without a key',
      () => ssl({ KAFKA_SSL_KEY_PASSWORD: KEY_PASSWORD }),
      /^KAFKA_SSL_KEY_PASSWORD needs KAFKA_SSL_KEY_FILE/,
    ],
    [
      'a file that is not there',
      () => ssl({ KAFKA_SSL_CA_FILE: join(folder, 'missing.pem') }),
      /^KAFKA_SSL_CA_FILE=.*missing\.pem cannot be read \(ENOENT\)/,
    ],
    [
      'a certificate that is cut off',
      () => ssl({ KAFKA_SSL_CA_FILE: half }),
      /^KAFKA_SSL_CA_FILE=.*half\.pem must have whole certificates in PEM form/,
    ],
    [
      'a key where certificates belong',
      () => ssl({ KAFKA_SSL_CA_FILE: key }),
      /^KAFKA_SSL_CA_FILE=.*client\.key must have whole certificates in PEM form/,
    ],
    [
      'the key of another certificate',
      () => ssl({ KAFKA_SSL_CERT_FILE: cert, KAFKA_SSL_KEY_FILE: otherKey }),
      /^KAFKA_SSL_KEY_FILE=.*other\.key is not the key of the first certificate/,
    ],
    [
      'a certificate where its key belongs',
      () => ssl({ KAFKA_SSL_CERT_FILE: cert, KAFKA_SSL_KEY_FILE: cert }),
      /^KAFKA_SSL_KEY_FILE=.*client\.pem has no private key in PEM form/,
    ],
    [
      'a locked key without a password',
      () => ssl({ KAFKA_SSL_CERT_FILE: cert, KAFKA_SSL_KEY_FILE: lockedKey }),
      /^KAFKA_SSL_KEY_FILE=.*locked\.key is encrypted: set KAFKA_SSL_KEY_PASSWORD/,
    ],
    [
      'a locked key with a wrong password',
      () =>
        ssl({
          KAFKA_SSL_CERT_FILE: cert,
          KAFKA_SSL_KEY_FILE: lockedKey,
          KAFKA_SSL_KEY_PASSWORD: 'wrong-word',
        }),
      /^KAFKA_SSL_KEY_FILE=.*locked\.key does not open with KAFKA_SSL_KEY_PASSWORD/,
    ],
  ];

  it.each(rows)('are refused by one line: %s', (_, environment, sentence) => {
    const message = messageOf(environment());
    expect(message).toMatch(sentence);
    expect(message).not.toMatch(/pass-word|wrong-word|client-secret|\n/);
  });
});
