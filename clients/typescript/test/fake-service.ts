/** What the client has asked. */
export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

type Answer =
  | Response
  | Error
  | ((asked: Asked, signal: AbortSignal) => Response | Promise<Response>);

/** Stands in for `fetch`: gives the answers one after the other, and remembers the questions. */
export class FakeService {
  readonly asked: Asked[] = [];
  readonly #answers: Answer[];

  constructor(...answers: readonly Answer[]) {
    this.#answers = [...answers];
  }

  readonly fetch: typeof fetch = async (input, init = {}) => {
    const { method = 'GET', headers, body = null, signal } = init;
    const asked = {
      method,
      url: String(input),
      headers: { ...(headers as Record<string, string>) },
      body: typeof body === 'string' ? JSON.parse(body) : body,
    };
    this.asked.push(asked);
    const answer = this.#answers.shift() ?? new Error('The test does not expect this question');
    if (answer instanceof Error) throw answer;
    return answer instanceof Response ? answer : answer(asked, signal as AbortSignal);
  };
}

/** Makes an answer with JSON. */
export function json(status: number, body: object, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers });
}

/** Makes an answer with a problem. */
export function problem(
  status: number,
  members: object = {},
  headers: Record<string, string> = {},
): Response {
  const body = { type: 'about:blank', title: 'Title', status, detail: 'Why it is so', ...members };
  return json(status, body, { 'content-type': 'application/problem+json', ...headers });
}

/** Answers never, and ends when the request is aborted. */
export function silence(_: Asked, signal: AbortSignal): Promise<Response> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}
