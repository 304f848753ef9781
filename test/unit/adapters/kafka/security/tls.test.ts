import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TlsFiles } from '../../../../../src/adapters/broker/kafka/security/tls-files.ts';
import { type CertificateFiles, TestAuthority } from '../../../../support/certificates.ts';
import { Edge } from '../../../../support/fake-kafka/edge.ts';
import type { FakeSecurity } from '../../../../support/fake-kafka/node.ts';
import {
  ALL_PARTS,
  captureLog,
  failureOf,
  PARTS,
  type Part,
} from '../../../../support/fake-kafka/secure-edge.ts';

const HERE = { altNames: ['IP:127.0.0.1'] };
const NO_FILES: TlsFiles = { caFile: null, certFile: null, keyFile: null, keyPassword: null };

let folder: string;
let authority: TestAuthority;
let stranger: TestAuthority;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'allocation-kafka-tls-'));
  authority = await TestAuthority.create(folder, 'authority');
  stranger = await TestAuthority.create(folder, 'stranger');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const textsOf = async ({ cert, key }: CertificateFiles) => ({
  cert: await readFile(cert),
  key: await readFile(key),
});

/** Brokers with this certificate, and a client that trusts the authority. */
async function start(
  shown: CertificateFiles,
  {
    client = {} as Partial<TlsFiles>,
    brokers = {} as FakeSecurity['tls'],
    log = captureLog().log,
  } = {},
): Promise<Edge> {
  return await Edge.start({
    brokers: { tls: { ...(await textsOf(shown)), ...brokers } },
    client: { tls: { ...NO_FILES, caFile: authority.rootCert, ...client }, sasl: null },
    log,
  });
}

/** Makes brokers demand a certificate that the authority has signed. */
const demandingClients = async () => ({
  ca: await readFile(authority.rootCert),
  requestCert: true,
  rejectUnauthorized: true,
});

describe('a TLS connection', () => {
  it('is verified, and serves every part', async () => {
    await using edge = await start(await authority.sign('right', HERE));
    for (const part of ALL_PARTS) await PARTS[part](edge);
    expect(edge.committed('events')).toEqual(['answer', 'published']);
  });

  it('shows the certificate of the client', async () => {
    const { cert, key } = await authority.sign('client', { commonName: 'stock-service' });
    await using edge = await start(await authority.sign('right', HERE), {
      client: { certFile: cert, keyFile: key },
      brokers: await demandingClients(),
    });
    for (const part of ALL_PARTS) await PARTS[part](edge);
    expect(edge.options.security?.principal).toBe('User:CN=stock-service');
  });

  const refusals: readonly (readonly [string, () => Promise<Edge>, RegExp])[] = [
    [
      'an expired certificate',
      async () => start(await authority.sign('expired', { ...HERE, days: -1 })),
      /certificate of the broker has expired\. Renew the certificate on the broker/,
    ],
    [
      'a certificate of another authority',
      async () => start(await stranger.sign('foreign', HERE)),
      /signed by an unknown authority\. Set KAFKA_SSL_CA_FILE/,
    ],
    [
      'a certificate of another host',
      async () => start(await authority.sign('elsewhere', { altNames: ['DNS:other.test'] })),
      /names other hosts\. Use a host that the certificate names.*127\.0\.0\.1 is not in the cert/,
    ],
    [
      'a port without TLS',
      async () => {
        const client = { tls: { ...NO_FILES, caFile: authority.rootCert }, sasl: null };
        return Edge.start({ brokers: {}, client });
      },
      /breaks off the TLS handshake: this port does not speak TLS.*Set KAFKA_SECURITY_PROTOCOL/,
    ],
    [
      'brokers that want a certificate of the client',
      async () => start(await authority.sign('right', HERE), { brokers: await demandingClients() }),
      /wants a certificate of the client\. Set KAFKA_SSL_CERT_FILE/,
    ],
  ];
  const rows = refusals.flatMap((refusal) =>
    (['the admin', 'the creation of topics'] as const).map((part) => [...refusal, part] as const),
  );

  it.each(rows)('gets one clear line: %s', async (_, begin, sentence, part: Part) => {
    await using edge = await begin();
    const message = await failureOf(part, edge);
    expect(message).toMatch(sentence);
    expect(message).toMatch(/Kafka at 127\.0\.0\.1:\d+: /);
    expect(message).not.toContain('\n');
  });
});

describe('certificates that are renewed on disk', () => {
  /** A CA file that a test may overwrite, with the present authority in it. */
  async function renewable(name: string): Promise<string> {
    const file = join(folder, name);
    await copyFile(authority.rootCert, file);
    return file;
  }

  const ask = ({ admin }: Edge) => admin.offsetRanges('events');

  it('are used by new connections, without a restart', async () => {
    const caFile = await renewable('renewed-ca.pem');
    await using edge = await start(await authority.sign('right', HERE), { client: { caFile } });
    for (const part of ALL_PARTS) await PARTS[part](edge);
    const shown = await textsOf(await stranger.sign('renewed', HERE));
    for (const node of edge.kafka.nodes) node.renew(shown);
    for (const node of edge.kafka.nodes) node.reset();
    expect(await failureOf('the admin', edge)).toContain('unknown authority');
    await copyFile(stranger.rootCert, caFile);
    await ask(edge);
    expect(await failureOf('the publisher', edge)).toBe('it works');
  });

  it('are the former ones while a file is half written, and the log says so once', async () => {
    const caFile = await renewable('half-ca.pem');
    const output = captureLog();
    await using edge = await start(await authority.sign('right', HERE), {
      client: { caFile },
      log: output.log,
    });
    await ask(edge);
    const whole = await readFile(caFile);
    await writeFile(caFile, whole.subarray(0, whole.length / 2));
    for (let times = 0; times < 3; times += 1) {
      for (const node of edge.kafka.nodes) node.reset();
      await ask(edge);
    }
    const complaints = output.text().match(/use the former certificates/g);
    expect(complaints).toHaveLength(1);
    await writeFile(caFile, whole);
    for (const node of edge.kafka.nodes) node.reset();
    await ask(edge);
    expect(output.text()).toContain('can be used again');
  });
});
