import type { Database } from '../../adapters/database/database.ts';
import type { Finding } from '../../doctor/finding.ts';

/** The clocks of machines with a time server differ by less. */
const MAX_DIFFERENCE_MS = 5_000;

/** Compares the clock of the database with that of this machine. */
export async function clockFindings(
  database: Pick<Database, 'query'>,
): Promise<readonly Finding[]> {
  const askedAtMs = Date.now();
  const [answer] = await database.query<{ ms: string }>(
    'select extract(epoch from clock_timestamp()) * 1000 as ms',
  );
  const answeredAtMs = Date.now();
  const theirsMs = Number(answer?.ms);
  // The database read its clock between question and answer. A slow answer is no difference.
  const aheadMs = Math.max(theirsMs - answeredAtMs, 0) + Math.min(theirsMs - askedAtMs, 0);
  if (Math.abs(aheadMs) <= MAX_DIFFERENCE_MS) return [];
  const seconds = Math.abs(aheadMs / 1_000).toFixed(1);
  return [
    {
      problem:
        `its clock is ${seconds} s ` +
        `${aheadMs > 0 ? 'ahead of' : 'behind'} that of this machine`,
      risk:
        'if this machine is wrong: times in messages are wrong, lanes misjudge which of two ' +
        'commands came first, and certificates and tokens count too long or not at all',
      remedy: 'synchronise both machines with a time server, and compare the clocks again',
    },
  ];
}
