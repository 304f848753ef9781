import type { Audit } from '../audit/audit.ts';
import type { AuditWriter } from '../audit/topic-writer.ts';
import type { Config } from '../config.ts';
import type { Broker } from '../service-layer/broker.ts';
import type { LogRecord } from '../service-layer/records.ts';
import { withDeadlines } from './broker-deadline.ts';
import { auditOfUser } from './cli-audit.ts';
import { close, openLog, readSettings } from './session.ts';

interface AuditSession {
  readonly config: Config;
  readonly audit: Audit;
}

/**
 * Gives an audit to a command whose work needs no log. Opens the log only if AUDIT_TOPIC is set.
 *
 * @param options `createsLog`: the work creates the embedded log, so the log may be missing before
 * @throws there is no embedded log; the message says what to do
 */
export async function withAudit<T>(
  { createsLog }: { readonly createsLog: boolean },
  work: (session: AuditSession) => Promise<T>,
): Promise<T> {
  const config = await readSettings();
  if (config.auditTopic === null) return work({ config, audit: auditOfUser(config, null) });
  const { openAuditTopic } = await import('../connections.ts');
  const mustWait = createsLog && !config.kafkaBrokers;
  const opened: Broker[] = [];
  const write: AuditWriter = async (record) => {
    const broker = opened[0] ?? (await openLog(config, { mayCreate: mustWait }));
    opened[0] = broker;
    await openAuditTopic(config, withDeadlines(broker, config))?.(record);
  };
  try {
    const audit = auditOfUser(config, mustWait ? holdFirstBack(write) : write);
    return await work({ config, audit });
  } finally {
    for (const broker of opened) await close(broker);
  }
}

/** Holds the first record back until the second comes, because the work creates the log. */
function holdFirstBack(write: AuditWriter): AuditWriter {
  let begun: LogRecord | null = null;
  return async (record) => {
    if (begun === null) {
      begun = record;
      return;
    }
    await write(begun);
    await write(record);
  };
}
