import type { ModelEvent } from '../allocation-model.ts';
import type { HandledCommand } from './evidence.ts';
import { ModelsBySku } from './models-by-sku.ts';
import type { Case } from './rule.ts';
import { timeOf, UnseenRejections } from './unseen-rejections.ts';
import type { Report } from './violations.ts';

/**
 * Handles the commands again in an order that lanes and sequences allow: the commands of a lane in
 * the order of the lane, those of a product in the order of its events. Where commands of several
 * lanes touch no stock (rejections), the earlier answer comes first.
 * @returns the stock that the commands must have left
 */
export function checkOutcomes(
  { lanes, unknownSkus }: Pick<Case, 'lanes' | 'unknownSkus'>,
  report: Report,
): ModelsBySku {
  const models = new ModelsBySku();
  const unseen = new UnseenRejections(lanes);
  const heads = lanes.map(() => 0);
  for (;;) {
    const waiting = lanes.flatMap((lane, index) =>
      heads[index] === lane.length
        ? []
        : [{ index, command: lane[heads[index] as number] as HandledCommand }],
    );
    if (waiting.length === 0) return models;
    const possible = waiting
      .filter(({ command }) => models.isNext(command.answer?.events ?? [], unknownSkus))
      .sort((a, b) => (timeOf(a.command) < timeOf(b.command) ? -1 : 1));
    const next =
      possible.find(({ command, index }) => !unseen.mustPrecede(command, index)) ?? possible[0];
    if (!next) {
      report(
        'no-possible-order',
        waiting
          .map(({ command: { place, answer } }) => `${place}: ${JSON.stringify(answer?.events)}`)
          .join('; '),
      );
      return models;
    }
    checkOutcome(next.command, models, unknownSkus, report);
    unseen.handled(next.command);
    heads[next.index] = (heads[next.index] as number) + 1;
  }
}

/** Checks that the model answers the command with the same events. */
function checkOutcome(
  { place, id, body, answer }: HandledCommand,
  models: ModelsBySku,
  unknownSkus: ReadonlySet<string>,
  report: Report,
): void {
  const found = answer?.events ?? [];
  if (!body) {
    models.take(found);
    return;
  }
  const expected = models.handle(body);
  const isKnown = ({ sku }: ModelEvent) => sku !== undefined && !unknownSkus.has(String(sku));
  const isPartlyKnown = [...expected, ...found].some(({ sku }) => unknownSkus.has(String(sku)));
  const [wanted, told] = isPartlyKnown
    ? [expected.filter(isKnown), found.filter(isKnown)]
    : [expected, found];
  // Only a repeated batch gets no answer.
  const needsAnswer = wanted.length > 0 || body.type !== 'CreateBatch';
  if (!answer && needsAnswer) report('unanswered', `${place} (${id}): ${JSON.stringify(wanted)}`);
  else if (!areSameEvents(wanted, told))
    report(
      'wrong-outcome',
      `${place} (${id}): ${JSON.stringify(told)} instead of ${JSON.stringify(wanted)}`,
    );
}

function areSameEvents(expected: readonly ModelEvent[], found: readonly ModelEvent[]): boolean {
  const asText = (event: ModelEvent) =>
    JSON.stringify(Object.entries(event).sort(([a], [b]) => (a < b ? -1 : 1)));
  return (
    expected.length === found.length &&
    expected.every((event, index) => asText(event) === asText(found[index] as ModelEvent))
  );
}
