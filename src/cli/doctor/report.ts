import { type Finding, findingOf } from '../../doctor/finding.ts';
import { within } from '../broker-deadline.ts';

/** The kind of a check. */
type CheckName = 'configuration' | 'connection' | 'permissions' | 'clock' | 'topic' | 'schema';

/** The result of one check. */
export type Report = { readonly check: CheckName; readonly subject: string } & (
  | { readonly state: 'ok' }
  | ({ readonly state: 'finding' } & Finding)
  /** Nothing could be checked; `why` gives the reason. */
  | { readonly state: 'skipped'; readonly why: string }
);

/** The kind of a check, and what it looks at. */
type Subject = Pick<Report, 'check' | 'subject'>;

const CHECK_TIMEOUT_MS = 10_000;

/** Makes one report for each finding. Without findings, one report says that all is well. */
export function reportsOf(of: Subject, findings: readonly Finding[]): readonly Report[] {
  if (findings.length === 0) return [{ ...of, state: 'ok' }];
  return findings.map((finding) => ({ ...of, state: 'finding', ...finding }));
}

/** Makes the report of a check that could not be done. */
export function skipped(of: Subject, why: string): Report {
  return { ...of, state: 'skipped', why };
}

/**
 * Runs a check, for 10 s at most. A check that fails or takes longer is a finding.
 * @param advice the risk of a failure, and what to do if its error does not say that
 */
export async function runCheck(
  of: Subject,
  work: () => Promise<readonly Finding[]>,
  advice: Parameters<typeof findingOf>[1],
): Promise<readonly Report[]> {
  const timeout = `no answer within ${CHECK_TIMEOUT_MS / 1_000} s`;
  const findings = await within(CHECK_TIMEOUT_MS, work(), timeout).catch((error: unknown) => [
    findingOf(error, advice),
  ]);
  return reportsOf(of, findings);
}
