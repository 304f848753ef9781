import type { LogRecord, ReceivedRecord } from '../../../src/service-layer/records.ts';
import type { AbusiveMessage } from './abusive-messages.ts';

/** Returns the record as its readers see it. */
export function asReceived({ value, headers }: LogRecord) {
  const bytes = (text: Buffer | string) => Buffer.from(text as string);
  const entries = Object.entries(headers).flatMap(([name, header]) => {
    if (header === undefined) return [];
    if (typeof header === 'string' || Buffer.isBuffer(header))
      return [[name, bytes(header)] as const];
    const [first, ...more] = header.map(bytes);
    return first === undefined
      ? []
      : [[name, more.length === 0 ? first : [first, ...more]] as const];
  });
  return { value: value === null ? null : bytes(value), headers: Object.fromEntries(entries) };
}

/** Returns the place of the command that an event answers, also for one part of a composite. */
export function answeredPlace(topic: string, { headers }: ReceivedRecord): string {
  return String(headers.ce_id)
    .slice(topic.length + 1)
    .replace(/\.\d+$/, '');
}

/** Returns the place of the message that a dead letter keeps. */
export function deadPlace({ headers }: ReceivedRecord): string {
  return `${headers['dead-letter-partition']}/${headers['dead-letter-offset']}`;
}

/** Lists where a dead letter differs from its message: in value, key and headers. */
export function differencesOf(
  { record }: AbusiveMessage,
  letter: ReceivedRecord,
): readonly string[] {
  const { value, headers } = asReceived(record);
  const complaints: string[] = [];
  if (value === null ? letter.value !== null : !letter.value?.equals(value))
    complaints.push('has another value');
  if (String(letter.key) !== String(record.key)) complaints.push('has another key');
  for (const [name, header] of Object.entries(headers)) {
    if (name.startsWith('dead-letter-')) continue;
    if (!Object.hasOwn(letter.headers, name) || String(letter.headers[name]) !== String(header))
      complaints.push(`has another header ${name}`);
  }
  return complaints;
}
