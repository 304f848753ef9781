import type { ModelEvent } from '../allocation-model.ts';
import type { HandledCommand } from './evidence.ts';

interface Rejection {
  readonly command: HandledCommand;
  readonly lane: number;
  readonly sinceAt: string;
}

/**
 * Rejections of unknown names by transactions that did not see what other lanes decided meanwhile.
 */
export class UnseenRejections {
  /** The commands of each lane that were rejected because a name was unknown, by that name. */
  readonly #rejected = new Map<string, Rejection[]>();
  readonly #handled = new Set<HandledCommand>();

  constructor(lanes: readonly (readonly HandledCommand[])[]) {
    for (const [lane, commands] of lanes.entries()) {
      for (const command of commands) {
        const { sinceAt } = command.answer?.record ?? {};
        if (sinceAt === undefined) continue;
        for (const name of command.answer?.events.flatMap(unknownNames) ?? [])
          this.#rejected.set(name, [
            ...(this.#rejected.get(name) ?? []),
            { command, lane, sinceAt },
          ]);
      }
    }
  }

  /** Takes down that the command was handled again. */
  handled(command: HandledCommand): void {
    this.#handled.add(command);
  }

  /** Tells whether another lane has yet to reject as unknown what this command makes known. */
  mustPrecede(command: HandledCommand, lane: number): boolean {
    if (this.#rejected.size === 0) return false;
    const names = command.answer?.events.flatMap(namesMadeKnown) ?? [];
    const rejected = names.flatMap((name) => this.#rejected.get(name) ?? []);
    return rejected.some(
      (each) =>
        each.lane !== lane && each.sinceAt < timeOf(command) && !this.#handled.has(each.command),
    );
  }
}

/** Returns the time of the decision on a command. */
export function timeOf({ answer }: HandledCommand): string {
  return answer?.record.madeAt ?? answer?.record.headers.ce_time ?? '';
}

function namesMadeKnown({ type, sku, ...event }: ModelEvent): readonly string[] {
  const { reference, orderid } = event as Readonly<Record<string, unknown>>;
  if (type === 'BatchCreated') return [`batch ${reference}`, `sku ${sku}`];
  return type === 'Allocated' ? [`order ${orderid}`] : [];
}

function unknownNames({ type, sku, ...event }: ModelEvent): readonly string[] {
  const { reason, reference, orderid } = event as Readonly<Record<string, unknown>>;
  if (type !== 'CommandRejected') return [];
  if (reason === 'unknown-batch') return [`batch ${reference}`];
  if (reason === 'unknown-sku') return [`sku ${sku}`];
  return reason === 'unknown-order' ? [`order ${orderid}`] : [];
}
