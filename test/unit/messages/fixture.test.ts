import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { placeOf } from '../../../src/domain/place.ts';
import { commandVersions } from '../../../src/messages/command-schemas.ts';
import { compositeVersions, eventVersions } from '../../../src/messages/event-versions.ts';
import { readAnswer } from '../../../src/messages/read-answer.ts';
import { readCommand } from '../../../src/messages/read-command.ts';
import type { Broker } from '../../../src/service-layer/broker.ts';
import { readDeadLetters } from '../../support/dead-letters.ts';
import { messagesOfToday, type TextRecord } from '../../support/messages-of-today.ts';

/**
 * `test/fixtures/messages.jsonl` has every form that a message ever had, one a line, with what the
 * service reads in it. Only add lines: a published message must stay readable for ever, because it
 * may be in somebody's topic.
 *
 * A change of a message's data needs a new version if an older service cannot read the new data, or
 * misunderstands it:
 * 1. In `event-versions.ts` (an event) or `command-schemas.ts` (a command), raise `current`,
 *    describe the new data in `schema`, and add the upcaster from the version before. The older
 *    lines fail now, because the service reads them as the new version.
 * 2. For each line that fails, add a line `{"name": …, "read": …}` at the end. The last reading of
 *    a name counts.
 * 3. For an event, add the lines of what is published now, which the failing test prints. For a
 *    command, write a line for each of the three forms.
 * 4. Seal the new lines: change `SEALED` below.
 */
const SEALED = {
  lines: 248,
  sha256: '61b2c2a73bed38af01b106c5d2ee048070c8b96e3082fd4e84146b3b5be38d33',
};

interface Reading {
  readonly name: string;
  readonly read: object;
}
type Line = TextRecord & Reading;

const text = readFileSync(join(import.meta.dirname, '../../fixtures/messages.jsonl'), 'utf8');
const all: readonly (Line | Reading)[] = text
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line));
const lines = all.filter((line): line is Line => 'topic' in line);
const readings = new Map(all.map(({ name, read }) => [name, read]));

const PLACE = { topic: 'allocation.commands', partition: 0, offset: 7 };

async function reading({ topic, key, value, headers }: TextRecord): Promise<object | undefined> {
  const message = { value: value === null ? null : Buffer.from(value), headers };
  if (topic === 'commands') {
    const read = readCommand(message, placeOf(PLACE));
    if (read.kind === 'unreadable') return read;
    return { ...read, unknownFields: read.unknownFields?.map(({ path }) => path) };
  }
  if (topic === 'events') return readAnswer(message);
  const record = {
    topic: 'dead',
    partition: 0,
    offset: 0,
    timestampMs: 0,
    key: key === null ? null : Buffer.from(key),
    ...message,
  };
  const broker: Pick<Broker, 'offsetRanges' | 'read'> = {
    offsetRanges: async () => [{ partition: 0, beginning: 0, end: 1 }],
    read: async (_topic, _ranges, take) => take({ partition: 0, records: [record], nextOffset: 1 }),
  };
  const [letter] = await readDeadLetters(broker as Broker, 'dead');
  return letter && { ...letter, record: undefined, key: undefined, valueBytes: undefined };
}

const onTheWire = ({ topic, key, value, headers }: TextRecord) =>
  JSON.stringify({ topic, key, value, headers });

/** Lists the attributes of an event, or of a composite and of each event inside it. */
function attributes({
  value,
  headers,
}: TextRecord): { type: string; dataschema: string | undefined }[] {
  const outer = { type: headers.ce_type ?? '', dataschema: headers.ce_dataschema };
  return outer.type === 'CompositeDomainEvent'
    ? [outer, ...JSON.parse(value ?? '').events]
    : [outer];
}

/** Describes the form of a command: `<form> <type> <version>`. */
function formOf({ value, headers }: TextRecord): string {
  const body = JSON.parse(value ?? '');
  const form = headers.ce_specversion
    ? 'binary'
    : headers['content-type']?.startsWith('application/cloudevents')
      ? 'structured'
      : 'plain';
  const { type, dataschema } =
    form === 'binary' ? { type: headers.ce_type, dataschema: headers.ce_dataschema } : body;
  return `${form} ${type} ${dataschema?.split('/').at(-1) ?? 'unsaid'}`;
}

const versionsOf = (current: number) => Array.from({ length: current }, (_, index) => index + 1);

describe('a message of the fixture', () => {
  it.each(lines)('is read as recorded: $name', async (line) => {
    expect(await reading(line)).toEqual(readings.get(line.name));
  });
});

describe('the fixture', () => {
  it('keeps its sealed lines unchanged', () => {
    const sealed = text.split('\n').slice(0, SEALED.lines).join('\n');
    expect(
      createHash('sha256').update(sealed).digest('hex'),
      'a sealed line was changed: restore it, because a topic may have such a message',
    ).toBe(SEALED.sha256);
  });

  it('has no line that is not sealed', () => {
    expect({
      ...SEALED,
      lines: all.length,
      sha256: createHash('sha256').update(text.trimEnd()).digest('hex'),
    }).toEqual(SEALED);
  });

  it('has each name once, and a message for each reading', () => {
    expect(new Set(lines.map(({ name }) => name)).size).toBe(lines.length);
    expect([...readings.keys()]).toEqual(lines.map(({ name }) => name));
  });

  it('has every command in every form and version', () => {
    const wanted = Object.entries(commandVersions).flatMap(([type, { current }]) =>
      ['unsaid', ...versionsOf(current)].flatMap((version) =>
        ['plain', 'binary', 'structured'].map((form) => `${form} ${type} ${version}`),
      ),
    );
    const there = lines
      .filter(({ topic, read }) => topic === 'commands' && 'command' in read)
      .map(formOf);
    expect(wanted.filter((form) => !there.includes(form))).toEqual([]);
  });

  it('has every event in every version, alone and in a composite', () => {
    const wanted = Object.entries(eventVersions).flatMap(([type, { current }]) =>
      ['unsaid', ...versionsOf(current)].flatMap((version) => [
        `${type} ${version}`,
        `${type} ${version} inside`,
      ]),
    );
    const composites = ['unsaid', ...versionsOf(compositeVersions.current)].map(
      (version) => `CompositeDomainEvent ${version}`,
    );
    const there = lines
      .filter(({ topic, read }) => topic === 'events' && 'events' in read)
      .flatMap((line) =>
        attributes(line).map(
          ({ type, dataschema }, index) =>
            `${type} ${dataschema?.split('/').at(-1) ?? 'unsaid'}${index === 0 ? '' : ' inside'}`,
        ),
      );
    expect([...wanted, ...composites].filter((form) => !there.includes(form))).toEqual([]);
  });

  it('has one form of each event in each version', () => {
    const forms = lines
      .filter(({ topic }) => topic === 'events')
      .map((line) =>
        JSON.stringify([
          line.headers.ce_id,
          attributes(line).map(({ dataschema }) => dataschema ?? null),
        ]),
      );
    expect(forms.filter((form, index) => forms.indexOf(form) < index)).toEqual([]);
  });
});

it('the fixture has what is written today, byte for byte', async () => {
  const there = new Set(lines.map(onTheWire));
  const missing = messagesOfToday().filter((record) => !there.has(onTheWire(record)));
  const asLines = await Promise.all(
    missing.map(async (record) =>
      JSON.stringify({ name: '…', ...JSON.parse(onTheWire(record)), read: await reading(record) }),
    ),
  );
  expect(asLines, 'this version never had such a form; for a new version, add these lines').toEqual(
    [],
  );
});
