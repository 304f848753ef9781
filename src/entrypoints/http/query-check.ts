import type { z } from 'zod';
import type { Hook } from './doors/doors.ts';
import { answerProblem, PROBLEMS } from './problem.ts';

/**
 * Makes a hook that refuses parameters behind `?` that are unknown or not valid. After the hook,
 * `request.query` is what the schema has read, with its defaults.
 */
export function checkQuery(schema: z.ZodObject): Hook {
  const known = Object.keys(schema.shape);
  return async (request, reply) => {
    const query = request.query as Readonly<Record<string, unknown>>;
    const unknown = Object.keys(query).find((name) => !known.includes(name));
    if (unknown !== undefined)
      return answerProblem(reply, PROBLEMS.unknownParameter(unknown, known));
    const parsed = schema.safeParse(query);
    if (parsed.success) {
      request.query = parsed.data;
      return undefined;
    }
    const [issue] = parsed.error.issues;
    const name = String(issue?.path[0] ?? '');
    return answerProblem(reply, PROBLEMS.invalidParameter(name, issue?.message ?? ''));
  };
}
