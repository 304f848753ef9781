import { describe, expect, it } from 'vitest';
import { contentTypeOf, isBatch } from '../../../../src/entrypoints/http/content-types.ts';

describe('The content type of a request', () => {
  it.each([
    ['application/json', 'application/json'],
    ['Application/JSON ; charset=utf-8', 'application/json'],
    [' text/plain;a;b', 'text/plain'],
    ['', ''],
    [undefined, ''],
  ])('%s is read as "%s"', (sent, type) => {
    expect(contentTypeOf({ 'content-type': sent })).toBe(type);
  });

  it.each([
    ['application/cloudevents-batch+json', true],
    ['application/jsonl; charset=utf-8', true],
    ['application/x-ndjson', true],
    ['application/json', false],
    ['application/cloudevents+json', false],
    [undefined, false],
  ])('%s is that of several commands: %s', (sent, isOfSeveral) => {
    expect(isBatch({ 'content-type': sent })).toBe(isOfSeveral);
  });
});
