/** A block of the stream. A block without data only says how far the stream is. */
export interface ServerSentEvent {
  readonly id: string | null;
  readonly event: string | null;
  readonly data: string | null;
}

/** The connection broke, or was silent for too long. */
export class LostStreamError extends Error {
  override readonly name = 'LostStreamError';
}

/**
 * Reads server-sent events (HTML Standard, section 9.2). Comments and other fields are left out.
 *
 * @param silenceMs how long the stream may be silent
 * @throws {LostStreamError} the connection broke, or was silent for too long
 */
export async function* readServerSentEvents(
  body: ReadableStream<Uint8Array>,
  silenceMs: number,
): AsyncGenerator<ServerSentEvent, void> {
  let id: string | null = null;
  let event: string | null = null;
  let data: string[] = [];
  for await (const line of linesOf(body, silenceMs)) {
    if (line !== '') {
      const [, field, value = ''] = /^(\w+)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (field === 'id') id = value;
      if (field === 'event') event = value;
      if (field === 'data') data.push(value);
      continue;
    }
    yield { id, event, data: data.length > 0 ? data.join('\n') : null };
    [id, event, data] = [null, null, []];
  }
}

async function* linesOf(
  body: ReadableStream<Uint8Array>,
  silenceMs: number,
): AsyncGenerator<string, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await readWithin(reader, silenceMs);
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield line.replace(/\r$/, '');
    }
  } finally {
    // The caller closes the connection, which ends the reader.
    reader.cancel().catch(() => {});
  }
}

async function readWithin(reader: ReadableStreamDefaultReader<Uint8Array>, silenceMs: number) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    const why = `The stream was silent for ${silenceMs} ms`;
    timer = setTimeout(() => reject(new LostStreamError(why)), silenceMs);
  });
  try {
    return await Promise.race([reader.read(), silence]);
  } catch (error) {
    if (error instanceof LostStreamError) throw error;
    throw new LostStreamError('The connection broke', { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
