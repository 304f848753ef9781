import { expect, it } from 'vitest';
import { highestRole, includes } from '../../../../../src/entrypoints/http/doors/access.ts';

it.each([
  ['read', 'read', true],
  ['read', 'publish', false],
  ['publish', 'read', true],
  ['publish', 'operate', false],
  ['operate', 'publish', true],
  ['operate', 'operate', true],
  [null, 'read', false],
] as const)('the role %s includes %s: %s', (role, needed, isIncluded) => {
  expect(includes(role, needed)).toBe(isIncluded);
});

it.each([
  [['read', 'operate', 'publish'], 'operate'],
  [['publish', 'read'], 'publish'],
  [['admin', 'read', 7], 'read'],
  [['admin', 'READ'], null],
  [[], null],
])('the highest role among %o is %s', (names, role) => {
  expect(highestRole(names)).toBe(role);
});
