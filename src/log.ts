import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';
import { visibleInJson } from './control-characters.ts';

/** Where a log goes: stdout or stderr. */
interface LogOutput {
  readonly fd: number;
  readonly isTTY?: boolean;
  /** Whether the terminal has colours, and the user wants them (NO_COLOR). */
  hasColors?(): boolean;
}

/** Logs readable lines on a terminal, and JSON lines elsewhere. */
export function createLog(level: string, output: LogOutput): Logger {
  const options = { level, base: null };
  const { fd } = output;
  if (!output.isTTY) return pino(options, pino.destination({ dest: fd, sync: true }));
  const readable = pretty({
    colorize: output.hasColors?.() ?? false,
    translateTime: 'SYS:HH:MM:ss',
    destination: fd,
    sync: true,
  });
  return pino(options, { write: (line) => void readable.write(visibleInJson(line)) });
}
