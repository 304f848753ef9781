import pino, { type Logger } from 'pino';
import { Audit } from '../audit/audit.ts';
import { localUser } from '../audit/local-user.ts';
import type { AuditWriter } from '../audit/topic-writer.ts';
import type { Config } from '../config.ts';
import { createLog } from '../log.ts';
import { printToStderr } from './output.ts';

/** Makes the audit of the user who runs this command. */
export function auditOfUser(
  { logLevel }: Pick<Config, 'logLevel'>,
  write: AuditWriter | null,
): Audit {
  return new Audit({ by: localUser(), from: 'cli', log: openAuditLog(logLevel), write });
}

/**
 * Opens a log of JSON lines on stderr. On a terminal, the log shows only errors, because the
 * command itself tells the user what it does.
 */
function openAuditLog(level: string): Logger {
  if (process.stderr.isTTY) return createLog(level === 'silent' ? level : 'error', process.stderr);
  return pino({ level, base: null }, { write: (line) => printToStderr(line.trimEnd()) });
}
