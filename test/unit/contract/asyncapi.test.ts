import { Parser } from '@asyncapi/parser';
import { Ajv } from 'ajv';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { type AsyncApiDocument, asyncApiDocument } from '../../../src/contract/asyncapi.ts';
import { readDocument, readMessages } from '../../../src/contract/read-document.ts';
import { readAnswer } from '../../../src/messages/read-answer.ts';
import { readCommand } from '../../../src/messages/read-command.ts';

const document = asyncApiDocument('1.0.0');
const text = stringify(document, { aliasDuplicateObjects: false });
const channels = Object.keys(document.channels);
const ajv = new Ajv({ strict: false, validateFormats: false });

/** A message with each example of it, as a row of a test. */
const examples = channels.flatMap((channel) =>
  Object.keys(document.channels[channel]?.messages ?? {}).flatMap((name) => {
    const message = readMessages(document, channel).get(name);
    return (document.components.messages[name]?.examples ?? []).map((example, index) => {
      return { title: `${name} ${index + 1}`, channel, message, ...example };
    });
  }),
);

describe('The AsyncAPI document', () => {
  let parsed: Awaited<ReturnType<Parser['parse']>>;

  beforeAll(async () => {
    parsed = await new Parser().parse(text);
  });

  it('is valid, without a warning', () => {
    expect(parsed.diagnostics).toEqual([]);
    expect(parsed.document?.version()).toBe('3.1.0');
  });

  it('has a topic for each direction, with its messages', () => {
    const actions = parsed.document
      ?.operations()
      .all()
      .map((each) => [
        each.action(),
        each
          .channels()
          .all()
          .map((channel) => channel.address()),
      ]);
    expect(actions).toEqual([
      ['receive', ['allocation.commands']],
      ['send', ['allocation.events']],
      ['send', ['allocation.dead-letters']],
      ['send', [null]],
    ]);
  });

  it('says of each message what its key is, and shows an example', () => {
    for (const [name, { bindings, examples }] of Object.entries(document.components.messages)) {
      expect(bindings, name).toMatchObject({ kafka: { key: { type: 'string' } } });
      expect(examples, name).not.toEqual([]);
    }
  });

  it('can be read again from its file', () => {
    const read: AsyncApiDocument = readDocument(text);
    expect(read).toEqual(JSON.parse(JSON.stringify(document)));
  });
});

describe('An example', () => {
  it.each(examples)('of $title fits its schemas', ({ message, headers, payload }) => {
    expect(ajv.validate(message?.headers ?? false, headers), ajv.errorsText()).toBe(true);
    expect(ajv.validate(message?.payload ?? false, payload), ajv.errorsText()).toBe(true);
  });

  it.each(examples.filter(({ channel }) => channel === 'commands'))(
    'of the command $title is read as a command without unknown fields',
    ({ headers, payload }) => {
      const message = { value: Buffer.from(JSON.stringify(payload)), headers };
      const read = readCommand(message, 'commands/0/0', 'strict');
      expect(read).toMatchObject({ kind: 'command' });
    },
  );

  it.each(examples.filter(({ channel }) => channel === 'events'))(
    'of the event $title is read as an answer',
    ({ headers, payload }) => {
      const read = readAnswer({ value: Buffer.from(JSON.stringify(payload)), headers });
      expect(read).toMatchObject({ kind: 'answer' });
    },
  );
});
