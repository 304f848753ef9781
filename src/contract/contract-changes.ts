import { isDeepStrictEqual } from 'node:util';
import type { AsyncApiDocument } from './asyncapi.ts';
import type { JsonSchema } from './json-schemas.ts';
import { type ReadMessage, readMessages } from './read-document.ts';
import { compareSchemas } from './schema-changes.ts';
import type { Effect } from './schema-keywords.ts';
import { compareTopics } from './topic-changes.ts';

/** One difference between two contracts. */
export interface ContractChange {
  /** `words`: only people notice. */
  readonly effect: 'breaks' | 'adds' | 'words';
  /**
   * The channel and the message, such as `events/Allocated.v1`; or the route, `GET /orders`, and
   * how many others have the same change.
   */
  readonly where: string;
  /** Says in a few words what has changed. */
  readonly text: string;
  /** Whether a break is in a new version of its type, so that readers can tell. */
  readonly isAnnounced: boolean;
}

/** What the service does with data. */
export type Action = 'receive' | 'send';

/** What a change means: for the senders of received messages, and for the readers of sent ones. */
export const MEANINGS: Readonly<Record<Action, Readonly<Record<Effect, 'breaks' | 'adds'>>>> = {
  receive: { adds: 'adds', narrows: 'breaks', widens: 'adds', breaks: 'breaks' },
  send: { adds: 'adds', narrows: 'adds', widens: 'breaks', breaks: 'breaks' },
};

/** Compares the contract of a former release with a newer one. */
export function compareContracts(
  former: AsyncApiDocument,
  present: AsyncApiDocument,
): readonly ContractChange[] {
  const names = new Set([...Object.keys(former.channels), ...Object.keys(present.channels)]);
  const changes = [...names].flatMap((name) => compareChannels(name, former, present));
  return orWords(changes, former, present);
}

interface NumberedDocument {
  readonly info: { readonly version: string };
}

/** Returns the changes. If there are none, says whether anything besides the version differs. */
export function orWords(
  changes: readonly ContractChange[],
  former: NumberedDocument,
  present: NumberedDocument,
): readonly ContractChange[] {
  if (changes.length > 0 || isDeepStrictEqual(unnumbered(former), unnumbered(present)))
    return changes;
  return [change('words', 'document', 'other words, examples or settings')];
}

function unnumbered(document: NumberedDocument): object {
  return { ...document, info: { ...document.info, version: '' } };
}

/** Makes one difference. */
export function change(
  effect: ContractChange['effect'],
  where: string,
  text: string,
  isAnnounced = false,
): ContractChange {
  return { effect, where, text, isAnnounced };
}

function compareChannels(
  name: string,
  former: AsyncApiDocument,
  present: AsyncApiDocument,
): readonly ContractChange[] {
  const [before, now] = [former.channels[name], present.channels[name]];
  if (!now) return [change('breaks', name, 'the topic is gone')];
  if (!before) return [change('adds', name, 'a new topic')];
  const action = actionOf(former, name);
  if (action !== actionOf(present, name))
    return [change('breaks', name, 'the service sends what it received, or the other way round')];
  const address =
    before.address === now.address
      ? []
      : [change('breaks', name, `the topic is ${now.address}, was ${before.address}`)];
  const settings = compareTopics(action, before.bindings, now.bindings).map(({ effect, text }) =>
    change(effect, name, text),
  );
  return [...address, ...settings, ...compareMessages(name, action, former, present)];
}

function actionOf({ operations }: AsyncApiDocument, channel: string): Action {
  const reference = `#/channels/${channel}`;
  const operation = Object.values(operations).find(
    (each) => (each.channel as { readonly $ref?: string }).$ref === reference,
  );
  return operation?.action === 'receive' ? 'receive' : 'send';
}

function compareMessages(
  channel: string,
  action: Action,
  former: AsyncApiDocument,
  present: AsyncApiDocument,
): readonly ContractChange[] {
  const [before, now] = [readMessages(former, channel), readMessages(present, channel)];
  const gone = [...before.keys()]
    .filter((name) => !now.has(name))
    .map((name) => change('breaks', `${channel}/${name}`, 'the message is gone'));
  const others = [...now].flatMap(([name, message]): readonly ContractChange[] => {
    const where = `${channel}/${name}`;
    const same = before.get(name);
    if (same)
      return differences(same, message).map(({ text, effect }) =>
        change(MEANINGS[action][effect], where, text),
      );
    const older = olderVersion(name, before);
    // Older versions of commands stay accepted. Only the newest version of an event is sent.
    const breaks =
      older && action === 'send'
        ? differences(unnamed(older), unnamed(message)).filter(
            ({ effect }) => MEANINGS.send[effect] === 'breaks',
          )
        : [];
    return breaks.length > 0
      ? breaks.map(({ text }) => change('breaks', where, text, true))
      : [change('adds', where, older ? 'a new version' : 'a new message')];
  });
  return [...gone, ...others];
}

/** Finds the newest version of the same form before this one: `Allocated.v1` for `Allocated.v2`. */
function olderVersion(
  name: string,
  messages: ReadonlyMap<string, ReadMessage>,
): ReadMessage | undefined {
  const [, type, version, form] = /^(.+)\.v(\d+)(.*)$/.exec(name) ?? [];
  for (let older = Number(version) - 1; older > 0; older -= 1) {
    const found = messages.get(`${type}.v${older}${form}`);
    if (found) return found;
  }
  return undefined;
}

/** Leaves out the header that names the version. */
function unnamed(message: ReadMessage): ReadMessage {
  const { ce_dataschema: _, ...properties } = message.headers.properties as JsonSchema;
  return { ...message, headers: { ...message.headers, properties } };
}

function differences(former: ReadMessage, present: ReadMessage) {
  const parts = (['headers', 'payload'] as const).flatMap((part) =>
    compareSchemas(former[part], present[part]).map((each) => {
      const place = each.path === '' ? part : `${part}: ${each.path}`;
      return { text: `${place}: ${each.text}`, effect: each.effect };
    }),
  );
  const breaks = (text: string) => [{ text, effect: 'breaks' as const }];
  return [
    ...(former.contentType === present.contentType
      ? []
      : breaks(`the content type is ${present.contentType}`)),
    ...(former.key === present.key ? [] : breaks(`the key: ${present.key}, was: ${former.key}`)),
    ...parts,
  ];
}
