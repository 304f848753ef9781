import type { IncomingHttpHeaders } from 'node:http';
import { CLOUD_EVENT_TYPE } from '../../messages/cloud-events.ts';

/** The content types of one command. */
export const SINGLE_TYPES = ['application/json', CLOUD_EVENT_TYPE] as const;

/** The content type of several structured CloudEvents (CloudEvents JSON format 1.0, section 4). */
export const EVENT_BATCH_TYPE = 'application/cloudevents-batch+json';

/** The content types of several commands. The last two are JSON lines. */
export const BATCH_TYPES = [EVENT_BATCH_TYPE, 'application/jsonl', 'application/x-ndjson'] as const;

/** The largest body with several commands, in bytes. */
export const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/** The content type of a body that a route takes, other than commands. */
export const JSON_TYPE = 'application/json';

/** The largest JSON body of a route that names no other limit, in bytes. */
export const MAX_JSON_BYTES = 64 * 1024;

/** Returns the content type of a request, without its parameters. */
export function contentTypeOf(headers: IncomingHttpHeaders): string {
  return headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
}

/** Tells whether the body of a request has several commands. */
export function isBatch(headers: IncomingHttpHeaders): boolean {
  return (BATCH_TYPES as readonly string[]).includes(contentTypeOf(headers));
}
