import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';
import { visibleInJson, visibleLines } from './control-characters.ts';

/** Where a log goes: stdout or stderr. */
interface LogOutput {
  readonly fd: number;
  readonly isTTY?: boolean;
  /** Whether the terminal has colours, and the user wants them (NO_COLOR). */
  hasColors?(): boolean;
}

/**
 * Logs readable lines on a terminal, and JSON lines elsewhere. Control characters become escapes.
 * So a sender's text can neither control a terminal nor pass for a log line.
 */
export function createLog(level: string, output: LogOutput): Logger {
  const options = { level, base: null };
  const { fd } = output;
  if (!output.isTTY) {
    const lines = pino.destination({ dest: fd, sync: true });
    // JSON escapes only C0. Without this, a terminal would obey the other control characters.
    return pino(options, { write: (line) => void lines.write(visibleLines(line)) });
  }
  const readable = pretty({
    colorize: output.hasColors?.() ?? false,
    translateTime: 'SYS:HH:MM:ss',
    messageFormat: ({ msg }) => String(msg ?? '').replaceAll('\n', '\n    '),
    destination: fd,
    sync: true,
  });
  return pino(options, { write: (line) => void readable.write(visibleInJson(line)) });
}
