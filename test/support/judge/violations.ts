/** What each kind of violation breaks, by the file that finds it. */
const RULES = {
  // read-answers.ts
  'unreadable-event': 'Every record of the events topic is an event.',
  'event-without-command': 'Every event names the place of a command.',
  'torn-composite': 'The messages of a composite are whole, in order, and in one partition.',
  'answered-twice': 'A command is answered at most once.',
  // read-dead-letters.ts
  'dead-letter-twice': 'Each place of a command has at most one dead letter.',
  'dead-letter-without-command': 'Every dead letter names the place of a command.',
  'altered-letter': 'A dead letter is a copy of its command.',
  // read-commands.ts, handled-commands.ts, check-outcomes.ts
  'answered-and-dead': 'A command is answered or has a dead letter, never both.',
  unanswered: 'Every command is answered or has a dead letter.',
  'wrong-repeat': 'The first of several equal commands in a lane is the one that is answered.',
  // check-bodies.ts
  'another-body': 'Among several bodies with one identity, only the first is answered.',
  // check-dead-letters.ts
  'dead-for-nothing': 'A readable command is a dead letter only after a failure of a handler.',
  // check-parking.ts
  overtaken: 'Later commands about a subject wait behind a failed command.',
  'parked-for-nothing': 'A command is parked only behind a failed command about its subject.',
  // check-envelopes.ts
  'wrong-id': 'An answer names the command that it answers.',
  'wrong-key': 'The key of an answer is its subject.',
  'wrong-subject': 'The subject of an event is its product, else its batch or order.',
  'wrong-correlation': 'An answer repeats the correlation id of its command.',
  'wrong-trace': 'An answer continues the trace of its command.',
  'wrong-dataschema': 'An event names the schema of its type.',
  'wrong-envelope': 'An event has the source, time and content type that the contract promises.',
  // check-order.ts
  'out-of-order': 'A lane publishes its answers in the order of its commands.',
  scattered: 'All answers about one subject are in one partition.',
  sequence: 'The sequence numbers of a product rise without a gap.',
  // check-outcomes.ts
  'wrong-outcome': 'The events of an answer are those of the model.',
  'no-possible-order': 'Some order of all commands explains the answers.',
  // check-database.ts
  oversold: 'No batch has more allocated than its quantity.',
  database: 'The tables equal the stock of the model.',
  'processed-ids': 'The database keeps exactly the ids of handled commands.',
  positions: 'The group and the database stand behind the last command.',
  outbox: 'The outbox is empty.',
  'still-parked': 'No command stays parked.',
} as const;

/** The kinds of violations. */
export type ViolationKind = keyof typeof RULES;

/** One fault of a history. Tests look for `kind`; people read `rule` and `detail`. */
export interface Violation {
  readonly kind: ViolationKind;
  /** What the history should have kept. */
  readonly rule: string;
  readonly detail: string;
}

/** Takes down one violation. */
export type Report = (kind: ViolationKind, detail: string) => void;

const MOST_OF_A_KIND = 5;

/** Collects violations, at most five of each kind. */
export class Violations {
  readonly all: Violation[] = [];

  readonly report: Report = (kind, detail) => {
    if (this.all.filter((each) => each.kind === kind).length < MOST_OF_A_KIND)
      this.all.push({ kind, rule: RULES[kind], detail });
  };
}
