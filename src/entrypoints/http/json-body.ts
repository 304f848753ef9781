import type { z } from 'zod';
import { MalformedMessageError, readJson } from '../../messages/cloud-events.ts';
import { contentTypeOf, JSON_TYPE } from './content-types.ts';
import type { Hook } from './doors/doors.ts';
import type { JsonBody } from './openapi/operation.ts';
import { answerProblem, PROBLEMS } from './problem.ts';

/** The most wrong fields that a refusal names. */
const MAX_WRONG_FIELDS = 20;

/** Makes a hook that refuses a body of another content type before the body is read. */
export function refuseOtherTypes(): Hook {
  return async ({ headers }, reply) => {
    const encoding = headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity') return answerProblem(reply, PROBLEMS.encodedCommand(encoding));
    if (contentTypeOf(headers) !== JSON_TYPE) return answerProblem(reply, PROBLEMS.notJson());
    return undefined;
  };
}

/**
 * Makes a hook that reads the body as JSON, and refuses a body that the schema refuses. After the
 * hook, `request.body` is what the schema has read, with its defaults.
 */
export function checkJson({ schema }: JsonBody): Hook {
  return async (request, reply) => {
    const value = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    let body: unknown;
    try {
      body = readJson({ value, headers: {} });
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      return answerProblem(reply, PROBLEMS.invalidBody(error.message, []));
    }
    const parsed = schema.safeParse(body);
    if (!parsed.success) {
      const errors = parsed.error.issues.flatMap(wrongFields).slice(0, MAX_WRONG_FIELDS);
      const detail = errors.map(({ field, message }) => `${field} ${message}`).join('; ');
      return answerProblem(reply, PROBLEMS.invalidBody(detail, errors));
    }
    request.body = parsed.data;
    return undefined;
  };
}

function wrongFields(issue: z.core.$ZodIssue) {
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys : null;
  if (unknown === null) return [{ field: issue.path.join('.') || 'body', message: issue.message }];
  return unknown.map((key) => ({
    field: [...issue.path, key].join('.').slice(0, 80),
    message: 'is unknown here',
  }));
}
