// @module-tag db

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { type CertificateFiles, TestAuthority } from '../../support/certificates.ts';
import { joinPatterns } from '../../support/join-patterns.ts';
import { HandshakeServer } from '../../support/postgres-handshake.ts';

const LIMITS = { poolSize: 2, timeoutMs: 20_000 };
const HAS_IPV6 = Object.values(networkInterfaces())
  .flat()
  .some((each) => each?.address === '::1');
const SIGN = { altNames: ['DNS:localhost', 'IP:127.0.0.1', 'IP:::1'] };

describe('A connection to PostgreSQL', () => {
  let folder: string;
  let authority: TestAuthority;
  let stranger: TestAuthority;
  const certificates: Record<string, CertificateFiles> = {};
  let server: HandshakeServer;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'allocation-tls-'));
    authority = await TestAuthority.create(folder, 'authority');
    stranger = await TestAuthority.create(folder, 'stranger');
    certificates.right = await authority.sign('right', SIGN);
    certificates['wrong CA'] = await stranger.sign('wrong-authority', SIGN);
    certificates['wrong host'] = await authority.sign('wrong-host', {
      altNames: ['DNS:other.test'],
    });
    certificates.expired = await authority.sign('expired', { ...SIGN, days: -1 });
    certificates.client = await authority.sign('client', { commonName: 'stock_service' });
    certificates['only localhost'] = await authority.sign('name', { altNames: ['DNS:localhost'] });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  afterEach(async () => {
    vi.unstubAllEnvs();
    await server.close();
  });

  const offer = async (name: string | null, manner = {}) => {
    const certificate = name === null ? null : (certificates[name] ?? null);
    server = await HandshakeServer.open({ certificate, ...manner });
  };
  const urlOf = (parameters: Readonly<Record<string, string>>, host = 'localhost') =>
    `postgresql://user:secret@${host}:${server.port}/stock?${new URLSearchParams(parameters)}`;
  const connect = async (parameters: Readonly<Record<string, string>>, host?: string) => {
    const database = await Database.openExisting(urlOf(parameters, host), LIMITS);
    await database.close();
  };
  const rootCert = () => ({ sslrootcert: authority.rootCert });
  const clientCert = ({ cert, key }: CertificateFiles) => ({ sslcert: cert, sslkey: key });

  const OTHER_HOST = /the certificate of the server is for another host .*sslmode=verify-ca/;
  const UNTRUSTED = /no trusted authority has signed the certificate.*sslrootcert/;
  const EXPIRED = /the certificate of the server has expired \(certificate has expired\)\. Renew/;

  it.each<[string, boolean, string, RegExp | 'encrypted' | 'plain']>([
    ['disable', false, 'right', 'plain'],
    ['disable', true, 'right', 'plain'],
    ['require', false, 'right', 'encrypted'],
    ['require', false, 'wrong CA', 'encrypted'],
    ['require', false, 'wrong host', 'encrypted'],
    ['require', false, 'expired', 'encrypted'],
    ['require', true, 'right', 'encrypted'],
    ['require', true, 'wrong CA', UNTRUSTED],
    ['require', true, 'wrong host', 'encrypted'],
    ['require', true, 'expired', EXPIRED],
    ['verify-ca', true, 'right', 'encrypted'],
    ['verify-ca', true, 'wrong CA', UNTRUSTED],
    ['verify-ca', true, 'wrong host', 'encrypted'],
    ['verify-ca', true, 'expired', EXPIRED],
    ['verify-full', true, 'right', 'encrypted'],
    ['verify-full', true, 'wrong CA', UNTRUSTED],
    ['verify-full', true, 'wrong host', OTHER_HOST],
    ['verify-full', true, 'expired', EXPIRED],
    ['verify-full', false, 'right', UNTRUSTED],
  ])('with sslmode=%s, sslrootcert: %s, certificate: %s', async (sslmode, root, name, outcome) => {
    await offer(name);
    const connecting = connect({ sslmode, ...(root && rootCert()) });
    if (outcome instanceof RegExp) {
      await expect(connecting).rejects.toThrow(outcome);
      await expect(connecting).rejects.toThrow(/^Cannot use .* at localhost:\d+ as user "user": /);
      expect(server.accepted).toEqual([]);
    } else {
      await connecting;
      expect(server.accepted).toEqual([{ isEncrypted: outcome === 'encrypted', clientName: null }]);
    }
  });

  it('is not plain when the server offers no TLS, unless the mode is disable', async () => {
    await offer(null);
    await expect(connect({ sslmode: 'require' })).rejects.toThrow(/offers no TLS .*disable/);
    expect(server.accepted).toEqual([]);
  });

  it.skipIf(!HAS_IPV6)('is verified by default to another machine, and says so', async () => {
    await offer('right');
    // An address that leads here, and does not look like it.
    await expect(connect({}, '[::ffff:127.0.0.1]')).rejects.toThrow(
      joinPatterns(
        /no trusted authority.*\. The url has no sslmode, so the server is verified\./,
        /.*"disable" is pl/,
      ),
    );
    await expect(connect({ sslmode: 'verify-full' })).rejects.not.toThrow(/has no sslmode/);
    expect(server.accepted).toEqual([]);
  });

  it('ignores what the driver itself would make of PGSSLMODE', async () => {
    vi.stubEnv('PGSSLMODE', 'verify-full');
    vi.stubEnv('PGSSLNEGOTIATION', 'direct');
    await offer(null);
    await connect({});
    expect(server.accepted).toEqual([{ isEncrypted: false, clientName: null }]);
  });

  it('compares the certificate with the address when the host is an address', async () => {
    await offer('right');
    const full = { sslmode: 'verify-full', ...rootCert() };
    await connect(full, '127.0.0.1');
    if (HAS_IPV6) await connect(full, '[::1]');
    expect(server.accepted).toHaveLength(HAS_IPV6 ? 2 : 1);
    await server.close();
    // The driver itself would compare it with "localhost".
    await offer('only localhost');
    await expect(connect(full, '127.0.0.1')).rejects.toThrow(OTHER_HOST);
  });

  it('shows the client certificate', async () => {
    await offer('right', { clientAuthority: authority.rootCert });
    const client = clientCert(certificates.client as CertificateFiles);
    await connect({ sslmode: 'verify-full', ...rootCert(), ...client });
    expect(server.accepted).toEqual([{ isEncrypted: true, clientName: 'stock_service' }]);
  });

  it('says that the server wants a client certificate', async () => {
    await offer('right', { clientAuthority: authority.rootCert });
    await expect(connect({ sslmode: 'verify-full', ...rootCert() })).rejects.toThrow(
      joinPatterns(
        /asks for one \(tlsv13 alert certificate required\)\. /,
        /Name a certificate of this user and its key with sslcert and sslkey/,
      ),
    );
  });

  it('is opened with renewed files, without a restart', async () => {
    const mine = await authority.sign('renewed-client', { commonName: 'before' });
    await offer('right', { clientAuthority: authority.rootCert });
    const url = urlOf({ sslmode: 'verify-full', ...rootCert(), ...clientCert(mine) });
    const database = await Database.openExisting(url, LIMITS);
    try {
      await authority.sign('renewed-client', { commonName: 'after' });
      // The second of two queries at once needs a connection of its own.
      await Promise.all([database.query('select 1'), database.query('select 1')]);
      const names = new Set(server.accepted.map(({ clientName }) => clientName));
      expect([...names]).toEqual(['before', 'after']);
      await rm(mine.cert);
      database.giveUpConnections('the test');
      await expect(database.query('select 1')).rejects.toThrow(
        /The file of sslcert cannot be read: ENOENT.*renewed-client\.pem/,
      );
      await authority.sign('renewed-client', { commonName: 'again' });
      await database.query('select 1');
      expect(server.accepted.at(-1)?.clientName).toBe('again');
    } finally {
      await database.close();
    }
  });

  it.each([
    ['a root certificate', (path: string) => ({ sslrootcert: path })],
    ['a client certificate', (path: string) => ({ ...rootCert(), sslcert: path, sslkey: path })],
  ])('names the file when %s is no PEM', async (_, parameters) => {
    const path = join(folder, 'text.pem');
    await writeFile(path, 'This is a text.');
    await offer('right');
    await expect(connect({ sslmode: 'verify-full', ...parameters(path) })).rejects.toThrow(
      /The certificates in .*text\.pem cannot be used: .*PEM/,
    );
  });

  it.each([
    [
      '28P01',
      'password authentication failed for user "user"',
      /refuses the password \(passw.*Check/,
    ],
    [
      '28000',
      'no pg_hba.conf entry for host "::1", no encryption',
      /plain connections.*verify-full/,
    ],
    ['28000', 'role "user" does not exist', /does not let this user connect.*Check the user/],
    ['57P03', 'the database system is starting up', /starting up\. Check that the server runs/],
  ])('says in one line why the server refuses it: %s %s', async (code, text, line) => {
    await offer(null, { refusal: { code, text } });
    const connecting = connect({});
    await expect(connecting).rejects.toThrow(line);
    await expect(connecting).rejects.toMatchObject({
      code: 'trouble',
      message: expect.not.stringMatching(/\n|secret/),
    });
  });
});
