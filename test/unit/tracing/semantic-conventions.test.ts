import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as conventions from '@opentelemetry/semantic-conventions/incubating';
import { expect, it } from 'vitest';
import {
  ATTRIBUTES,
  OWN_ATTRIBUTES,
  SEMANTIC_CONVENTIONS_VERSION,
} from '../../../src/tracing/semantic-conventions.ts';

it('Spans follow the version of the conventions that is installed', () => {
  const main = createRequire(import.meta.url).resolve('@opentelemetry/semantic-conventions');
  const { version } = JSON.parse(readFileSync(main.replace(/dist\/.*$/, 'package.json'), 'utf8'));
  expect(SEMANTIC_CONVENTIONS_VERSION).toBe(version);
});

it('Spans have attributes that the conventions know, or that are the service’s own', () => {
  const known = new Set<unknown>(Object.values(conventions));
  expect(Object.values(ATTRIBUTES).filter((name) => !known.has(name))).toEqual([]);
  expect(Object.values(OWN_ATTRIBUTES).filter((name) => !name.startsWith('allocation.'))).toEqual(
    [],
  );
});
