import { pino } from 'pino';
import { Audit } from '../../src/audit/audit.ts';

/** An audit that nobody reads. */
export function unreadAudit(): Audit {
  return new Audit({
    by: 'nobody@here',
    from: 'service',
    log: pino({ level: 'silent' }),
    write: null,
  });
}
