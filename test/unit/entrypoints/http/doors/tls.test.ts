import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConnectionOptions, connect, type PeerCertificate, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestAuthority } from '../../../../support/certificates.ts';
import { ask, startApi } from '../../../../support/doors.ts';
import { eventually } from '../../../../support/eventually.ts';
import { exchange } from '../../../../support/http-api-alone.ts';

/** The service's own limit. */
const HANDSHAKE_MS = 10_000;
const SIGN = { altNames: ['IP:127.0.0.1'] };

describe('The HTTP API with a certificate', () => {
  let folder: string;
  let authority: TestAuthority;
  let ca: Buffer;
  let settings: { HTTP_TLS_CERT_FILE: string; HTTP_TLS_KEY_FILE: string };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'allocation-https-'));
    authority = await TestAuthority.create(folder, 'authority');
    ca = await readFile(authority.rootCert);
    const { cert, key } = await authority.sign('server', SIGN);
    settings = { HTTP_TLS_CERT_FILE: cert, HTTP_TLS_KEY_FILE: key };
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Asks for a path, and closes the connection. @returns the status and the certificate */
  const get = (url: string, path = '/healthz') =>
    new Promise<{ status: number | undefined; certificate: PeerCertificate }>((resolve, reject) => {
      const sent = request(`${url}${path}`, { ca, agent: false }, (response) => {
        const certificate = (response.socket as TLSSocket).getPeerCertificate();
        response.resume().once('end', () => resolve({ status: response.statusCode, certificate }));
      });
      sent.once('error', reject).end();
    });

  const handshakeError = (url: string, options: ConnectionOptions) =>
    new Promise<Error>((resolve, reject) => {
      const socket = connect({
        host: '127.0.0.1',
        port: Number(new URL(url).port),
        ca,
        ...options,
      });
      socket.once('error', resolve).once('secureConnect', () => {
        socket.destroy();
        reject(new Error('It is open'));
      });
    });

  it('is reached by HTTPS, and says so in its address', async () => {
    await using running = await startApi(settings);
    expect(running.url).toMatch(/^https:/);
    expect((await get(running.url)).status).toBe(200);
    expect((await get(running.url, '/nowhere')).status).toBe(404);
  });

  it('gives plain HTTP no answer from inside', async () => {
    await using running = await startApi(settings);
    const answer = await exchange(running.url, 'GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
    expect(answer).not.toContain('alive');
    expect((await get(running.url)).status).toBe(200);
  });

  it('speaks no TLS that is older than 1.2', async () => {
    await using running = await startApi(settings);
    const old = { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL@SECLEVEL=0' } as const;
    expect((await handshakeError(running.url, old)).message).toMatch(/protocol version|alert/i);
  });

  const withoutAead = ['ECDHE-ECDSA-AES128-SHA256', 'ECDHE-ECDSA-AES256-SHA'];
  it.each(withoutAead)('does not speak %s, which Node itself would', async (ciphers) => {
    await using running = await startApi(settings);
    const weak = { maxVersion: 'TLSv1.2', ciphers } as const;
    expect((await handshakeError(running.url, weak)).message).toMatch(/handshake failure/i);
  });

  it('drops a client that never begins its handshake', async () => {
    await using running = await startApi(settings);
    const { port } = new URL(running.url);
    const socket = connectPlain(Number(port), '127.0.0.1');
    await once(socket, 'close');
  });

  it('stops at once though a client has not begun its handshake', async () => {
    const running = await startApi(settings);
    const { port } = new URL(running.url);
    const socket = connectPlain(Number(port), '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    await get(running.url);
    const stopped = running[Symbol.asyncDispose]().then(() => 'stopped');
    expect(await Promise.race([stopped, sleep(HANDSHAKE_MS / 2, 'it waits')])).toBe('stopped');
  });

  it('shows a renewed certificate to new connections, without a restart', async () => {
    const { cert, key } = await authority.sign('renewed', SIGN);
    await using running = await startApi({ HTTP_TLS_CERT_FILE: cert, HTTP_TLS_KEY_FILE: key });
    const before = (await get(running.url)).certificate.serialNumber;
    await authority.sign('renewed', SIGN);
    await eventually(async () => {
      const { status, certificate } = await get(running.url);
      expect(status).toBe(200);
      expect(certificate.serialNumber).not.toBe(before);
    });
  });

  it('keeps the former certificate until the new one has its key', async () => {
    const { cert, key } = await authority.sign('halves', SIGN);
    await using running = await startApi({ HTTP_TLS_CERT_FILE: cert, HTTP_TLS_KEY_FILE: key });
    const before = (await get(running.url)).certificate.serialNumber;
    const next = await authority.sign('halves-next', SIGN);
    await writeFile(cert, await readFile(next.cert));
    await eventually(() =>
      expect(running.log).toContainEqual(
        expect.objectContaining({ msg: expect.stringMatching(/halves\.pem.* stay in use/) }),
      ),
    );
    expect((await get(running.url)).certificate.serialNumber).toBe(before);
    await writeFile(key, await readFile(next.key));
    await eventually(async () =>
      expect((await get(running.url)).certificate.serialNumber).not.toBe(before),
    );
    expect(JSON.stringify(running.log)).not.toContain('PRIVATE KEY');
  });

  it('warns of a certificate that has expired', async () => {
    const { cert, key } = await authority.sign('expired', { ...SIGN, days: -1 });
    await using running = await startApi({ HTTP_TLS_CERT_FILE: cert, HTTP_TLS_KEY_FILE: key });
    await expect(get(running.url)).rejects.toThrow(/expired/);
    expect(running.log).toContainEqual(
      expect.objectContaining({ msg: expect.stringContaining('has expired') }),
    );
  });

  it.each([
    ['is not there', () => ({ ...settings, HTTP_TLS_KEY_FILE: join(folder, 'nothing.key') })],
    ['is of another certificate', () => ({ ...settings, HTTP_TLS_KEY_FILE: keyOfAnother() })],
    ['is no key', () => ({ ...settings, HTTP_TLS_KEY_FILE: settings.HTTP_TLS_CERT_FILE })],
  ])('does not start when the key %s', async (_, wrong) => {
    await authority.sign('another', SIGN);
    const error = await startApi(wrong()).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'listen' });
    expect((error as Error).message).toMatch(/HTTP_TLS_KEY_FILE=.* cannot be used: /);
    expect((error as Error).message).not.toContain('PRIVATE KEY');
  });

  const keyOfAnother = () => join(folder, 'another.key');

  it('serves probes and metrics on METRICS_PORT by plain HTTP, and nothing else', async () => {
    await using running = await startApi({ ...settings, METRICS_PORT: '0' });
    const probes = running.api.probesUrl ?? '';
    expect(probes).toMatch(/^http:/);
    for (const path of ['/healthz', '/readyz', '/metrics']) {
      expect((await ask(`${probes}${path}`, 'GET')).status).toBe(200);
      expect((await get(running.url, path)).status).toBe(404);
    }
    expect((await ask(`${probes}/products/s`, 'GET')).status).toBe(404);
  });
});
