import {
  CLOUD_EVENT_TYPE,
  header,
  MalformedMessageError,
  readEnvelope,
  readJson,
  type WireMessage,
} from '../../messages/cloud-events.ts';
import type { UnreadableMessage } from '../../messages/unreadable.ts';
import { EVENT_BATCH_TYPE } from './content-types.ts';
import { PROBLEMS, type Problem } from './problem.ts';

/**
 * Makes the problem of a message that is no command. The problem has the id of the message if that
 * can be read, and names the content type that the sender may have meant.
 */
export function refusedCommand(message: WireMessage, fault: UnreadableMessage): Problem {
  const id = unlessMalformed(() => readEnvelope(message).id);
  const meant = unlessMalformed(() => meantType(message));
  const refusal = PROBLEMS.unreadableCommand(fault);
  return {
    ...refusal,
    detail: meant === null ? refusal.detail : `${refusal.detail}; ${meant}`,
    members: { ...(id !== null && { id }), ...refusal.members },
  };
}

function meantType(message: WireMessage): string | null {
  const body = readJson(message);
  if (Array.isArray(body))
    return `several commands need the content-type ${EVENT_BATCH_TYPE} or application/jsonl`;
  const isEvent = typeof body === 'object' && body !== null && 'specversion' in body;
  const isSentAsEvent = header(message, 'content-type')?.startsWith(CLOUD_EVENT_TYPE) ?? false;
  if (isEvent === isSentAsEvent || header(message, 'ce_specversion') !== null) return null;
  return isEvent
    ? `a CloudEvent needs the content-type ${CLOUD_EVENT_TYPE}`
    : 'plain JSON needs the content-type application/json';
}

function unlessMalformed<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedMessageError) return null;
    throw error;
  }
}
