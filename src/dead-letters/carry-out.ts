import type { Act, ActReport, Audit } from '../audit/audit.ts';
import type { Decision } from './decision.ts';
import { type RedriveListener, Redriver, type RedriverParts } from './redriver.ts';

/** What a redrive or a discard works with. */
export interface CarryOutParts extends Omit<RedriverParts, 'edit'> {
  readonly audit: Audit;
}

/**
 * Carries a decision out, and records it in the audit.
 *
 * @throws {UnauditedError} the audit cannot be written, and nothing was done
 * @throws what the redrive throws; letters that are left stay on the list
 */
export async function carryOut(
  { audit, ...parts }: CarryOutParts,
  decision: Decision,
): Promise<void> {
  const { plan, edit } = decision;
  if (plan.redrive.length + plan.discard.length === 0) return;
  const redrive = (report: ActReport) =>
    new Redriver({ ...parts, edit, listener: withReport(parts.listener, report) }).carryOut(plan);
  await audit.carryOut(actOf(decision), redrive, parts.signal);
}

function actOf({ action, selection, plan: { redrive, discard }, edit }: Decision): Act {
  const { ids: _, ...filters } = selection;
  const given = Object.entries(filters).filter(([, value]) => value !== undefined);
  return {
    act: `dead-letters ${action}`,
    on: [...redrive, ...discard].map(({ id }) => id),
    options: { ...Object.fromEntries(given), ...(edit && { edit: edit.replacement.id }) },
  };
}

/** Makes a listener that also reports to the audit. */
function withReport(listener: RedriveListener, report: ActReport): RedriveListener {
  return {
    onResolved(letter, ...how) {
      report.done(letter.id);
      listener.onResolved(letter, ...how);
    },
    onFailedAgain(letter) {
      const { id, commandId, message } = letter;
      report.failed(`${commandId} failed again: ${message} (now ${id})`);
      listener.onFailedAgain(letter);
    },
    onUnanswered: () => listener.onUnanswered(),
  };
}
