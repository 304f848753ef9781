import type { IncomingHttpHeaders } from 'node:http';
import {
  CLOUD_EVENT_TYPE,
  MalformedMessageError,
  readJson,
  type WireMessage,
} from '../../messages/cloud-events.ts';
import { contentTypeOf, EVENT_BATCH_TYPE } from './content-types.ts';
import { PROBLEMS, type Problem } from './problem.ts';

/** The most commands of one batch. */
const MAX_BATCH_COMMANDS = 1_000;

const LF = 0x0a;

/**
 * Divides the body of a batch into its messages: structured CloudEvents, or lines of plain JSON.
 *
 * @returns the messages in their order; or why the whole batch is refused
 */
export function divideBody(
  body: Buffer,
  headers: IncomingHttpHeaders,
): readonly WireMessage[] | Problem {
  const items = contentTypeOf(headers) === EVENT_BATCH_TYPE ? eventsIn(body) : linesIn(body);
  if ('status' in items) return items;
  if (items.length === 0) return refused('The batch has no command');
  if (items.length > MAX_BATCH_COMMANDS)
    return refused(
      `The batch has ${items.length} commands, but a batch has at most ${MAX_BATCH_COMMANDS}`,
    );
  return items;
}

function eventsIn(body: Buffer): readonly WireMessage[] | Problem {
  let events: unknown;
  try {
    events = readJson({ value: body, headers: {} });
  } catch (error) {
    if (error instanceof MalformedMessageError) return refused(error.message);
    throw error;
  }
  if (!Array.isArray(events)) return refused('The batch must be a JSON array of CloudEvents');
  return events.map((event) => ({
    value: Buffer.from(JSON.stringify(event)),
    headers: { 'content-type': CLOUD_EVENT_TYPE },
  }));
}

/** Divides the body into lines, and leaves out blank lines. */
function linesIn(body: Buffer): readonly WireMessage[] {
  const lines: WireMessage[] = [];
  for (let start = 0; start < body.length; ) {
    const end = body.indexOf(LF, start);
    const line = body.subarray(start, end === -1 ? body.length : end);
    if (line.toString('latin1').trim() !== '') lines.push({ value: line, headers: {} });
    start = end === -1 ? body.length : end + 1;
  }
  return lines;
}

function refused(detail: string): Problem {
  return PROBLEMS.unreadableCommand({
    kind: 'unreadable',
    reason: 'malformed',
    message: detail,
    fields: [],
  });
}
