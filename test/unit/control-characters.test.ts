import { describe, expect, it } from 'vitest';
import { visible, visibleInJson, visibleLines } from '../../src/control-characters.ts';

describe('Text for people', () => {
  it.each([
    ['C0', '\u001b[31m', '\\u001b[31m'],
    ['C1', 'a\u0085b', 'a\\u0085b'],
    ['DEL', '\u007f', '\\u007f'],
    ['a line feed', 'a\nb', 'a\\u000ab'],
    ['an embedding', '\u202a\u202e', '\\u202a\\u202e'],
    ['an isolate', '\u2066\u2069', '\\u2066\\u2069'],
    ['a mark of direction', '\u200e\u200f\u061c', '\\u200e\\u200f\\u061c'],
  ])('shows %s as an escape', (_, text, shown) => {
    expect(visible(text)).toBe(shown);
  });

  it('keeps letters of every script, emoji and joiners', () => {
    const text = 'Tisch אבג ابج 椅子 👩\u200d🔧';
    expect(visible(text)).toBe(text);
  });

  it('keeps its line feeds where it has several lines', () => {
    expect(visibleLines('one\u202e\ntwo')).toBe('one\\u202e\ntwo');
  });
});

describe('JSON whose strings are for people', () => {
  it('parses to strings with escapes instead of control characters', () => {
    const text = 'a\u001b\u0085\u202e\b\r"\\u001b';
    const line = `${JSON.stringify({ text })}\n`;
    expect(JSON.parse(visibleInJson(line))).toEqual({ text: visible(text) });
  });

  it('keeps line feeds, tabs, quotes and lone surrogates', () => {
    const line = `${JSON.stringify({ text: 'a\n\t"\\ \ud800' })}\n`;
    expect(visibleInJson(line)).toBe(line);
    expect(visibleInJson('{"text":"\\u0022"}')).toBe('{"text":"\\u0022"}');
  });
});
