import type { FindingKind } from './finding.ts';
import type { PlantedBug } from './planted-bugs/planted-bugs.ts';

/** A planted bug for each kind of finding, which proves that something can break the rule. */
export const witnesses: Readonly<Record<Exclude<FindingKind, 'thrown'>, PlantedBug>> = {
  // Live.
  ahead: 'answers go out before those that they rest on',
  apart: 'the position goes after the records',
  'torn-live': 'an answer in several messages goes out in several transactions',
  'answered-after-truncation': 'a log that was truncated is taken for the same',
  'too-early': 'a command is rejected as unknown at once',
  stuck: 'an empty publication does not move the group',
  'not-stopped': 'a lane never stops',

  // What the answers say.
  'unreadable-event': 'the end of an event is cut off',
  'event-without-command': 'an event names another topic',
  'torn-composite': 'a composite is torn in two',
  'answered-twice': 'a failed publication is published again',
  'wrong-repeat': 'some commands count only when they come again',
  'another-body': 'an id that comes again with another body is answered again',
  'wrong-id': 'an answer names the command before it',
  'wrong-key': 'a composite has the key of its first product',
  'wrong-subject': 'an answer is about nothing',
  'wrong-correlation': 'an answer correlates with itself',
  'wrong-trace': 'a trace ends at the service',
  'wrong-dataschema': 'an answer does not name its schema',
  'wrong-envelope': 'an answer does not say who gives it',
  'out-of-order': 'records are sent in parallel',
  scattered: 'the key of a record is lost',
  sequence: 'events are counted in memory',
  'wrong-outcome': 'only the first event of a command is published',
  unanswered: 'a failed publication is taken for published',
  'no-possible-order': 'a delivery is sorted by key',

  // Dead letters, and what waits behind them.
  'dead-letter-twice': 'a dead letter is published twice',
  'dead-letter-without-command': 'a dead letter names another topic',
  'dead-for-nothing': 'a good command is taken for unreadable',
  'answered-and-dead': 'an answered command becomes a dead letter as well',
  'altered-letter': 'a dead letter loses the headers that came',
  'still-parked': 'a command that is being redriven holds up nobody',
  'parked-behind-answered': 'the parked commands are read once',
  overtaken: 'commands behind a failed one are not parked',
  'parked-for-nothing': 'a failed command holds up every product',

  // What the database holds.
  oversold: 'more is allocated than there is',
  database: 'stock is kept from one transaction to the next',
  'processed-ids': 'a parked command counts as answered',
  positions: 'a lane stands one command too far',
  outbox: 'what a lane has published stays in the outbox',
};

/** Returns the kinds that the bug must show. */
export function kindsShownBy(bug: PlantedBug): readonly FindingKind[] {
  return (Object.keys(witnesses) as (keyof typeof witnesses)[]).filter(
    (kind) => witnesses[kind] === bug,
  );
}
