// @module-tag db
// @module-tag slow

import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Identity, idOf } from '../../src/domain/identity.ts';
import { placeOf } from '../../src/domain/place.ts';
import { readCommand } from '../../src/messages/read-command.ts';
import type { LogRecord, ReceivedRecord } from '../../src/service-layer/records.ts';
import {
  type AbusiveMessage,
  abusiveMessages,
  classCount,
} from '../support/abuse/abusive-messages.ts';
import { eventually } from '../support/eventually.ts';
import { exchange } from '../support/http-api-alone.ts';
import { describeOnEachBroker, RunningService } from '../support/running-service.ts';

/** ABUSE_SEED=… repeats a run. */
const seed = Number(process.env.ABUSE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const MESSAGES = 1_000;
const MOST_SHOWN = 20;

const COMMAND = '{"type":"DeallocateOrder","orderid":"o"}';
const JSON_TYPE = 'content-type: application/json';
const posted = (headers: readonly string[], body: string) =>
  ['POST /commands HTTP/1.1', 'host: localhost', 'connection: close', ...headers, '', body].join(
    '\r\n',
  );
const sized = (headers: readonly string[], body: string) =>
  posted([...headers, `content-length: ${body.length}`], body);

/** Requests that only HTTP can carry, each with its name. */
const strangeRequests: readonly (readonly [string, string])[] = [
  ['no content type', sized([], COMMAND)],
  ['a malformed content type', sized(['content-type: ;'], COMMAND)],
  ['a form', sized(['content-type: multipart/form-data; boundary=x'], COMMAND)],
  ['two content types', sized([JSON_TYPE, 'content-type: text/plain'], COMMAND)],
  ['a body that claims to be compressed', sized([JSON_TYPE, 'content-encoding: br'], COMMAND)],
  ['a negative length', posted([JSON_TYPE, 'content-length: -1'], COMMAND)],
  ['two lengths', posted([JSON_TYPE, 'content-length: 2', 'content-length: 40'], COMMAND)],
  [
    'a length and chunks',
    posted(
      [JSON_TYPE, 'content-length: 40', 'transfer-encoding: chunked'],
      `28\r\n${COMMAND}\r\n0\r\n\r\n`,
    ),
  ],
  ['a malformed chunk', posted([JSON_TYPE, 'transfer-encoding: chunked'], `zz\r\n${COMMAND}`)],
  ['a NUL in a header', sized([JSON_TYPE, 'ce-id: a\0b'], COMMAND)],
  ['a header without a name', sized([JSON_TYPE, ': a'], COMMAND)],
  ['a header in two lines', sized([JSON_TYPE, 'ce-id: a\r\n b'], COMMAND)],
  [
    'an encoded line end in an attribute',
    sized([JSON_TYPE, 'ce-specversion: 1.0', 'ce-id: a%0d%0ab'], COMMAND),
  ],
  ['another version of HTTP', sized([JSON_TYPE], COMMAND).replace('HTTP/1.1', 'HTTP/9.9')],
];

interface Reply {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: Readonly<Record<string, unknown>> & {
    /** The results of a batch, one for each command. */
    readonly items?: readonly Readonly<Record<string, unknown>>[];
  };
}

/**
 * Makes the HTTP request of a record. CloudEvents attributes are percent-encoded, as their HTTP
 * binding demands. Everything else goes byte for byte.
 */
function asRequest({ value, headers }: LogRecord): string {
  const lines = Object.entries({ 'content-type': 'application/json', ...headers }).flatMap(
    ([name, values = []]) =>
      [values].flat().map((each) => {
        const text = Buffer.from(each as string).toString('latin1');
        return name.startsWith('ce_')
          ? `ce-${name.slice(3)}: ${percentEncoded(text)}`
          : `${name}: ${text}`;
      }),
  );
  return sized(lines, Buffer.from(value ?? '').toString('latin1'));
}

function percentEncoded(text: string): string {
  return text.replace(
    /[^!#$&-~]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

async function replyTo(url: string, request: string): Promise<Reply> {
  const [head = '', body = ''] = (await exchange(url, request)).split('\r\n\r\n');
  return {
    status: Number(head.split(' ')[1]),
    type: /content-type: (.*)/i.exec(head)?.[1],
    body: JSON.parse(body || '{}'),
  };
}

const isRefusal = ({ status, type, body }: Reply) =>
  status >= 400 &&
  status < 500 &&
  type === 'application/problem+json' &&
  body.status === status &&
  typeof body.detail === 'string';

function identityIn(record: ReceivedRecord): Identity {
  const read = readCommand(record, placeOf(record));
  if (read.kind !== 'command')
    throw new Error(`The service accepted what is no command: ${record.value}`);
  return read.identity;
}

function answeredIdentity({
  headers: { ce_causationsource: source, ce_causationform: form, ce_causationid: id },
}: ReceivedRecord): Identity {
  if (form === undefined) return `${source}\t${id}`;
  return String(form) === 'place' ? `\t${id}` : String(id);
}

/** Returns the accepted commands that a reply names. A batch, which HTTP takes, names several. */
function acceptedIn({ status, body }: Reply): readonly Reply['body'][] {
  if (body.items) return body.items.filter((item) => item.status === 202);
  return status === 202 ? [body] : [];
}

/** @returns what is wrong with the reply, or null */
function complaint({ outcome }: AbusiveMessage, reply: Reply): string | null {
  if (reply.body.items) {
    const isRight = reply.body.items.every((item) => item.status === 202 || item.status === 400);
    return isRight ? null : JSON.stringify(reply.body);
  }
  // Some messages only have large headers. HTTP takes less of these than Kafka.
  const mayBeAccepted = outcome === 'answered' || outcome === 'judged';
  const mayBeRefused = outcome !== 'answered' || reply.status === 431;
  if (reply.status === 202 ? mayBeAccepted : mayBeRefused && isRefusal(reply)) return null;
  return `${reply.status} ${reply.type} ${JSON.stringify(reply.body)}`;
}

describeOnEachBroker(
  `${MESSAGES} messages of ${classCount} bad kinds over HTTP (ABUSE_SEED=${seed})`,
  (environment) => {
    let running: RunningService;
    let url: string;
    const replies: { readonly message: AbusiveMessage; readonly reply: Reply }[] = [];
    let accepted: readonly Reply['body'][];
    const commands: ReceivedRecord[] = [];

    beforeAll(async () => {
      process.stdout.write(`ABUSE_SEED=${seed}\n`);
      running = await RunningService.start(environment);
      url = running.service.http.url ?? '';
      for (const message of abusiveMessages(seed, MESSAGES)) {
        replies.push({ message, reply: await replyTo(url, asRequest(message.record)) });
      }
      accepted = replies.flatMap(({ reply }) => acceptedIn(reply));
      await running.idle();
      await running.service.broker.tail(running.config.commandsTopic, 'beginning', (record) =>
        commands.push(record),
      );
      await eventually(() => expect(commands).toHaveLength(accepted.length));
    }, 120_000);

    afterAll(async () => running[Symbol.asyncDispose]());

    it('each is accepted, or refused as a problem of its sender', () => {
      const complaints = replies.flatMap(({ message, reply }) => {
        const what = complaint(message, reply);
        return what === null ? [] : [`${message.className} (${message.outcome}): ${what}`];
      });
      expect(complaints.slice(0, MOST_SHOWN)).toEqual([]);
      expect(replies.length).toBeGreaterThanOrEqual(MESSAGES);
    });

    it.each(strangeRequests)('%s is refused as a problem of its sender', async (_, request) => {
      const reply = await replyTo(url, request);
      expect(isRefusal(reply), JSON.stringify(reply)).toBe(true);
    });

    it('each accepted command is answered once, and nothing else is in the topics', () => {
      const answers = Map.groupBy(running.events, answeredIdentity);
      expect(new Set(commands.map(identityIn).map(idOf))).toEqual(
        new Set(accepted.map(({ id }) => id)),
      );
      expect([...answers].filter(([, { length }]) => length !== 1)).toEqual([]);
      expect(new Set(answers.keys())).toEqual(new Set(commands.map(identityIn)));
      expect(running.deadLetters).toEqual([]);
      expect(running.service.consumer.problems()).toEqual([]);
    });

    it('the service is alive and ready, and has logged no warning', async () => {
      for (const path of ['healthz', 'readyz'])
        expect((await fetch(`${url}/${path}`)).status).toBe(200);
      expect(running.log.filter(({ level }) => Number(level) >= 40)).toEqual([]);
    });
  },
);
