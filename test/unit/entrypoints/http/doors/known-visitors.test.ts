import { describe, expect, it } from 'vitest';
import { Visitors } from '../../../../../src/entrypoints/http/doors/visitors.ts';

const visitors = new Visitors([new URL('https://stock.test'), new URL('http://allocation:8080')]);

describe('A host', () => {
  it.each([
    undefined,
    'localhost',
    'LOCALHOST:8080',
    'localhost.',
    'shop.localhost',
    '127.0.0.1:8080',
    '[::1]:8080',
    'stock.test',
    'stock.test.:443',
    'allocation:9000',
  ])('that is this service is known: %s', (host) => {
    expect(visitors.knowsHost(host)).toBe(true);
  });

  it.each([
    '',
    'rebound.test',
    'localhost.rebound.test',
    'xlocalhost',
    'xstock.test',
    'stock.test.evil.test',
    'localhost@rebound.test',
    'rebound.test/localhost',
    'localhost?x',
    'localhost#x',
    'localhost/',
    'local host',
    'localhost\\',
    ' localhost',
    'localhost:x',
  ])('that another name leads to is not known: "%s"', (host) => {
    expect(visitors.knowsHost(host)).toBe(false);
  });
});

describe('A page of another site', () => {
  it.each([
    ['an origin of another site', 'POST', { origin: 'https://evil.test', host: 'stock.test' }],
    ['another port of its host', 'POST', { origin: 'http://localhost:1', host: 'localhost:2' }],
    ['a hidden origin', 'POST', { origin: 'null', host: 'localhost' }],
    ['an empty origin', 'POST', { origin: '', host: 'localhost' }],
    ['an origin, but no host', 'POST', { origin: 'http://localhost' }],
    ['an origin without a host', 'POST', { origin: 'file:///', host: '' }],
    ['a mark of the browser', 'POST', { 'sec-fetch-site': 'cross-site' }],
    ['the mark of a neighbour', 'POST', { 'sec-fetch-site': 'same-site' }],
    ['the mark of a script', 'GET', { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'empty' }],
    [
      'the mark of a form',
      'POST',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document' },
    ],
  ])('is known by %s', (_, method, headers) => {
    expect(visitors.isFromForeignPage(method, headers)).toBe(true);
  });

  it.each([
    ['no browser', 'POST', {}],
    ['its own page', 'POST', { origin: 'http://localhost:8080', host: 'localhost:8080' }],
    ['a public URL of the service', 'POST', { origin: 'https://stock.test', host: 'inside' }],
    ['a mark of its own page', 'POST', { 'sec-fetch-site': 'same-origin' }],
    ['the address line of a browser', 'POST', { 'sec-fetch-site': 'none' }],
    ['a link', 'GET', { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document' }],
  ])('has not caused what comes from %s', (_, method, headers) => {
    expect(visitors.isFromForeignPage(method, headers)).toBe(false);
  });
});
