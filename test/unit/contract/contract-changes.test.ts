import { describe, expect, it } from 'vitest';
import { type AsyncApiDocument, asyncApiDocument } from '../../../src/contract/asyncapi.ts';
import { type ContractChange, compareContracts } from '../../../src/contract/contract-changes.ts';
import { dueLevel, raised } from '../../../src/contract/due-version.ts';

/** A document that a test may change anywhere. */
// biome-ignore lint/suspicious/noExplicitAny: a test reaches into every part.
type Editable = any;

/** Returns this release's contract after a change of it. */
function changed(edit: (document: Editable) => void): AsyncApiDocument {
  const document = structuredClone(asyncApiDocument('1.0.0'));
  edit(document);
  return document;
}

const today = asyncApiDocument('1.0.0');
const short = (changes: readonly ContractChange[]) =>
  changes.map(({ effect, where, text }) => `${effect} ${where} ${text}`);

/** Adds the next version of a message, with a change of its data. */
function addVersion(document: Editable, type: string, edit: (data: Editable) => void): void {
  const { channels, components } = document;
  const channel = Object.values<Editable>(channels).find(
    ({ messages }) => `${type}.v1` in messages,
  );
  channel.messages[`${type}.v2`] = { $ref: `#/components/messages/${type}.v2` };
  const message = structuredClone(components.messages[`${type}.v1`]);
  message.headers.properties.ce_dataschema.const = `/allocation/schemas/${type}/2`;
  message.payload.$ref = `#/components/schemas/${type}.v2`;
  components.messages[`${type}.v2`] = message;
  const data = structuredClone(components.schemas[`${type}.v1`]);
  edit(data);
  components.schemas[`${type}.v2`] = data;
}

interface Planted {
  readonly what: string;
  readonly edit: (document: Editable) => void;
  readonly due: 'major' | 'minor' | 'patch' | 'none';
  /** The first change: its effect and its place. */
  readonly first?: string;
}

const planted: readonly Planted[] = [
  { what: 'nothing', edit: () => {}, due: 'none' },
  {
    what: 'a description',
    edit: ({ components }) => {
      components.schemas['Allocated.v1'].description = 'Other words.';
    },
    due: 'patch',
    first: 'words document',
  },
  {
    what: 'a new optional field of a command',
    edit: ({ components }) => {
      components.schemas['CreateBatch.v1'].properties.supplier = { type: 'string' };
    },
    due: 'minor',
    first: 'adds commands/CreateBatch.v1 payload: supplier',
  },
  {
    what: 'a new required field of a command',
    edit: ({ components }) => {
      const schema = components.schemas['CreateBatch.v1'];
      schema.properties.supplier = { type: 'string' };
      schema.required.push('supplier');
    },
    due: 'major',
    first: 'breaks commands/CreateBatch.v1 payload: supplier',
  },
  {
    what: 'a lower limit of a command',
    edit: ({ components }) => {
      components.schemas['AllocateOrder.v1'].properties.lines.maxItems = 100;
    },
    due: 'major',
    first: 'breaks commands/AllocateOrder.v1 payload: lines',
  },
  {
    what: 'a higher limit of a command',
    edit: ({ components }) => {
      components.schemas['AllocateOrder.v1'].properties.lines.maxItems = 900;
    },
    due: 'minor',
    first: 'adds commands/AllocateOrder.v1 payload: lines',
  },
  {
    what: 'another key of a command',
    edit: ({ components }) => {
      components.messages['CreateBatch.v1'].bindings.kafka.key.description = 'The reference.';
    },
    due: 'major',
    first: 'breaks commands/CreateBatch.v1 the key: The reference., was: The sku.',
  },
  {
    what: 'another key of an event',
    edit: ({ components }) => {
      components.messages['Allocated.v1'].bindings.kafka.key.description = 'The orderid.';
    },
    due: 'major',
    first: 'breaks events/Allocated.v1 the key: The orderid., was: The sku.',
  },
  {
    what: 'a compacted topic',
    edit: ({ channels }) => {
      channels.events.bindings.kafka.topicConfiguration['cleanup.policy'] = ['compact'];
    },
    due: 'major',
    first: 'breaks events cleanup.policy is compact, was delete',
  },
  {
    what: 'smaller commands',
    edit: ({ channels }) => {
      channels.commands.bindings.kafka.topicConfiguration['max.message.bytes'] = 1_000;
    },
    due: 'major',
    first: 'breaks commands max.message.bytes is 1000, was 1114112',
  },
  {
    what: 'smaller events',
    edit: ({ channels }) => {
      channels.events.bindings.kafka.topicConfiguration['max.message.bytes'] = 1_000;
    },
    due: 'minor',
    first: 'adds events max.message.bytes is 1000, was 1114112',
  },
  {
    what: 'events that are kept for a shorter time',
    edit: ({ channels }) => {
      channels.events.bindings.kafka.topicConfiguration['retention.ms'] = 604_800_000;
    },
    due: 'major',
    first: 'breaks events retention.ms is 604800000, was -1',
  },
  {
    what: 'dead letters that are kept for ever',
    edit: ({ channels }) => {
      channels.deadLetters.bindings.kafka.topicConfiguration['retention.ms'] = -1;
    },
    due: 'minor',
    first: "adds deadLetters retention.ms is -1, was Kafka's default",
  },
  {
    what: "dead letters that are kept for less than Kafka's default",
    edit: ({ channels }) => {
      channels.deadLetters.bindings.kafka.topicConfiguration['retention.ms'] = 604_799_999;
    },
    due: 'major',
    first: "breaks deadLetters retention.ms is 604799999, was Kafka's default",
  },
  {
    what: 'more partitions of a new topic',
    edit: ({ channels }) => {
      channels.events.bindings.kafka.partitions = 12;
    },
    due: 'patch',
    first: 'words document',
  },
  {
    what: 'a form of a command that is gone',
    edit: ({ channels }) => {
      delete channels.commands.messages['CreateBatch.v1.plain'];
    },
    due: 'major',
    first: 'breaks commands/CreateBatch.v1.plain the message is gone',
  },
  {
    what: 'a new field of an event, even a required one',
    edit: ({ components }) => {
      const schema = components.schemas['Allocated.v1'];
      schema.properties.warehouse = { type: 'string' };
      schema.required.push('warehouse');
    },
    due: 'minor',
    first: 'adds events/Allocated.v1 payload: warehouse',
  },
  {
    what: 'a field of an event that is gone',
    edit: ({ components }) => {
      delete components.schemas['Allocated.v1'].properties.batchref;
    },
    due: 'major',
    first: 'breaks events/Allocated.v1 payload: batchref',
  },
  {
    what: 'a field of an event that is optional now',
    edit: ({ components }) => {
      components.schemas['Allocated.v1'].required.pop();
    },
    due: 'major',
    first: 'breaks events/Allocated.v1 payload: batchref',
  },
  {
    what: 'one more reason of a rejection',
    edit: ({ components }) => {
      components.schemas['CommandRejected.v1'].properties.reason.enum.push('too-late');
    },
    due: 'major',
    first: 'breaks events/CommandRejected.v1 payload: reason',
  },
  {
    what: 'one reason of a rejection less',
    edit: ({ components }) => {
      components.schemas['CommandRejected.v1'].properties.reason.enum.pop();
    },
    due: 'minor',
    first: 'adds events/CommandRejected.v1 payload: reason',
  },
  {
    what: 'an event without its sequence',
    edit: ({ components }) => {
      delete components.messages['Allocated.v1'].headers.properties.ce_sequence;
    },
    due: 'major',
    first: 'breaks events/Allocated.v1 headers: ce_sequence',
  },
  {
    what: 'a new type of event',
    edit: ({ channels, components }) => {
      channels.events.messages['Shipped.v1'] = { $ref: '#/components/messages/Shipped.v1' };
      components.messages['Shipped.v1'] = components.messages['Allocated.v1'];
    },
    due: 'minor',
    first: 'adds events/Shipped.v1 a new message',
  },
  {
    what: 'a header of dead letters that is gone',
    edit: ({ components }) => {
      delete components.messages.DeadLetter.headers.properties['dead-letter-message'];
    },
    due: 'major',
    first: 'breaks deadLetters/DeadLetter headers: dead-letter-message',
  },
  {
    what: 'another topic',
    edit: ({ channels }) => {
      channels.events.address = 'events';
    },
    due: 'major',
    first: 'breaks events the topic is events',
  },
  {
    what: 'a topic that is gone',
    edit: ({ channels }) => {
      delete channels.deadLetters;
    },
    due: 'major',
    first: 'breaks deadLetters the topic is gone',
  },
  {
    what: 'another content type',
    edit: ({ components }) => {
      components.messages['Allocated.v1'].contentType = 'application/avro';
    },
    due: 'major',
    first: 'breaks events/Allocated.v1 the content type is application/avro',
  },
];

describe('A contract that changes', () => {
  it.each(planted)('by $what asks for the version: $due', ({ edit, due, first }) => {
    const changes = compareContracts(today, changed(edit));
    expect(dueLevel(changes)).toBe(due);
    expect(short(changes)[0] ?? null).toEqual(
      first === undefined ? null : expect.stringContaining(first),
    );
    expect(changes.some(({ isAnnounced }) => isAnnounced)).toBe(false);
  });

  it('is the same under another version number', () => {
    expect(compareContracts(today, asyncApiDocument('7.0.0'))).toEqual([]);
  });
});

describe('A new version of an event', () => {
  it('adds something if its readers need not change', () => {
    const present = changed((document) => {
      addVersion(document, 'Allocated', ({ properties }) => {
        properties.warehouse = { type: 'string' };
      });
    });
    expect(short(compareContracts(today, present))).toEqual([
      'adds events/Allocated.v2 a new version',
    ]);
  });

  it('announces what it breaks', () => {
    const present = changed((document) => {
      addVersion(document, 'Allocated', (data) => {
        delete data.properties.batchref;
      });
    });
    const changes = compareContracts(today, present);
    expect(short(changes)).toEqual([
      'breaks events/Allocated.v2 payload: batchref: the field is gone',
    ]);
    expect(changes[0]?.isAnnounced).toBe(true);
    expect(dueLevel(changes)).toBe('major');
  });

  it('must not take the description of the former version away', () => {
    const present = changed((document) => {
      addVersion(document, 'Allocated', () => {});
      delete document.channels.events.messages['Allocated.v1'];
    });
    expect(short(compareContracts(today, present))).toEqual([
      'breaks events/Allocated.v1 the message is gone',
      'adds events/Allocated.v2 a new version',
    ]);
  });
});

describe('A new version of a command', () => {
  it('breaks nothing, because the former one stays accepted', () => {
    const present = changed((document) => {
      addVersion(document, 'CreateBatch', ({ required }) => required.push('eta'));
    });
    expect(short(compareContracts(today, present))).toEqual([
      'adds commands/CreateBatch.v2 a new version',
    ]);
  });
});

describe('A version number', () => {
  it.each([
    ['major', '2.0.0'],
    ['minor', '1.5.0'],
    ['patch', '1.4.3'],
    ['none', '1.4.2'],
  ] as const)('is raised by a change that is due: %s', (level, next) => {
    expect(raised('1.4.2', level)).toBe(next);
  });
});
