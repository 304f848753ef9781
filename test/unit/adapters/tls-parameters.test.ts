import { describe, expect, it } from 'vitest';
import {
  tlsOf,
  withTlsDefaults,
} from '../../../src/adapters/database/connection/tls-parameters.ts';

const modeOf = (url: string) => tlsOf(new URL(url))?.mode ?? 'plain';

describe('The parameters of a PostgreSQL url about TLS', () => {
  it.each([
    'localhost',
    'LOCALHOST:5432',
    '127.0.0.1',
    '127.8.9.10',
    '[::1]:5432',
    '%2Fvar%2Frun%2Fpostgresql',
  ])('leave connections to this machine plain: %s', (host) => {
    expect(modeOf(`postgresql://user@${host}/stock`)).toBe('plain');
  });

  it.each(['db', 'db.example.com', '10.0.0.1', '[fd00::1]', 'localhost.example.com', '127.db'])(
    'verify another machine by default: %s',
    (host) => {
      expect(tlsOf(new URL(`postgresql://user@${host}/stock`))).toMatchObject({
        mode: 'verify-full',
        isByDefault: true,
        rootCert: null,
        host: host.replace(/[[\]]/g, ''),
      });
    },
  );

  it.each([
    ['db', 'disable', 'plain'],
    ['localhost', 'require', 'require'],
    ['db', 'verify-full', 'verify-full'],
    ['%2Frun', 'verify-full', 'plain'],
  ])('take the chosen mode: %s, %s', (host, mode, outcome) => {
    expect(modeOf(`postgresql://user@${host}/stock?sslmode=${mode}`)).toBe(outcome);
  });

  it('verify this machine too when the url names a certificate', () => {
    expect(modeOf('postgresql://localhost/stock?sslrootcert=/ca.pem')).toBe('verify-full');
  });

  it('trust the authorities of Node with sslrootcert=system', () => {
    expect(tlsOf(new URL('postgresql://db/stock?sslrootcert=system'))).toMatchObject({
      mode: 'verify-full',
      rootCert: null,
    });
  });

  it.each([
    ['sslmode=allow', 'fall back to plaintext'],
    ['sslmode=prefer', 'fall back to plaintext'],
    ['sslmode=no-verify', 'unknown sslmode'],
    ['sslmode=', 'unknown sslmode'],
    ['sslmode=verify-ca', 'needs sslrootcert'],
    ['sslmode=require&sslrootcert=system', 'needs sslmode=verify-full'],
    ['sslmode=verify-ca&sslrootcert=system', 'needs sslmode=verify-full'],
    ['sslcert=/client.pem', 'both sslcert and sslkey'],
    ['sslkey=/client.key', 'both sslcert and sslkey'],
    ['ssl=true', 'a parameter other than sslmode, sslrootcert, sslcert, sslkey'],
    ['uselibpqcompat=true', 'a parameter other than'],
  ])('are refused when they are %s', (parameters, why) => {
    expect(() => tlsOf(new URL(`postgresql://user@db/stock?${parameters}`))).toThrow(why);
  });
});

describe('The defaults for every PostgreSQL url', () => {
  const defaults = { sslmode: 'verify-ca', sslrootcert: '/etc/the ca.pem' };

  it('complete a url', () => {
    const url = withTlsDefaults('postgresql://user:p%40ss@db/stock', defaults);
    expect(tlsOf(new URL(url))).toMatchObject({ mode: 'verify-ca', rootCert: '/etc/the ca.pem' });
    expect(new URL(url).password).toBe('p%40ss');
  });

  it('yield to what the url says', () => {
    const url = withTlsDefaults('postgresql://user@db/stock?sslmode=require', defaults);
    expect(tlsOf(new URL(url))).toMatchObject({ mode: 'require', rootCert: '/etc/the ca.pem' });
  });

  it.each(['sqlite:///./file.db', 'postgresql://user@host:port/stock', 'mysql://user@db/stock'])(
    'leave %s as it is',
    (url) => {
      expect(withTlsDefaults(url, defaults)).toBe(url);
    },
  );

  it('leave every url as it is when there are none', () => {
    const url = "postgresql://user:it's@db/stock";
    expect(withTlsDefaults(url, {})).toBe(url);
  });
});
