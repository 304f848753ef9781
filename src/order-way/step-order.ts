import type { LinkedStep, WayStep } from './way-step.ts';

/** A step that knows where it stands among all steps. */
export interface OrderedStep extends WayStep {
  /**
   * Brings steps into the order in which they happened, if they are sorted by this text: by cause
   * and effect, then by time.
   */
  readonly sortKey: string;
}

/** A step while its order is being found. */
interface Node {
  readonly step: LinkedStep;
  readonly before: Node[];
  timeMs: number;
  /** How many steps lead to this one, one after the other, at the same time. */
  depth: number;
  state: 'new' | 'open' | 'done';
}

/**
 * Brings steps into the order in which they happened.
 *
 * Clocks differ, so times alone would show an answer before its command. In three cases, steps
 * follow each other whatever their times say:
 *
 * - received, decided, published;
 * - received, dead letter, its redrive, received again;
 * - the events of one product, by their sequence.
 *
 * A step is never earlier than a step that it follows. The clock of a sender counts less than that
 * of the service.
 */
export function inOrder(steps: readonly LinkedStep[]): readonly OrderedStep[] {
  const nodes = steps.map((step): Node => {
    return { step, before: [], timeMs: Date.parse(step.at), depth: 0, state: 'new' };
  });
  linkCommands(nodes);
  linkRedrives(nodes);
  linkSequences(nodes);
  // In this order no chain of events is deep, so `settle` may call itself.
  const last = Number.POSITIVE_INFINITY;
  const sequenceOf = ({ step }: Node) => step.sequence ?? last;
  for (const node of nodes.toSorted((a, b) => (sequenceOf(a) < sequenceOf(b) ? -1 : 1)))
    settle(node);
  return nodes
    .map(({ step, timeMs, depth }): OrderedStep => {
      const { commandPlace: _, redrives: __, replacedBy: ___, ...shown } = step;
      return { ...shown, sortKey: sortKeyOf(step, timeMs, depth) };
    })
    .sort((one, other) => (one.sortKey < other.sortKey ? -1 : 1));
}

/** Links the steps of each command message: its receipt first, what operators did about it last. */
function linkCommands(nodes: readonly Node[]): void {
  for (const group of Map.groupBy(nodes, ({ step }) => step.commandPlace).values()) {
    const ofKind = (...kinds: readonly LinkedStep['kind'][]) =>
      group.filter(({ step }) => kinds.includes(step.kind));
    const received = ofKind('received');
    const decided = ofKind('decided');
    const letters = ofKind('dead-letter', 'parked');
    const outcomes = [...decided, ...letters];
    for (const node of received)
      node.timeMs = Math.min(node.timeMs, ...outcomes.map(({ timeMs }) => timeMs));
    for (const node of outcomes) node.before.push(...received);
    for (const node of ofKind('published')) {
      const inside = decided.filter(({ step }) => step.place === node.step.place);
      node.before.push(...(inside.length > 0 ? inside : received));
    }
    for (const node of ofKind('redriven', 'edited', 'discarded')) node.before.push(...letters);
  }
}

/** Links each redrive to the command message that it has sent. */
function linkRedrives(nodes: readonly Node[]): void {
  const received = nodes.filter(({ step }) => step.kind === 'received');
  for (const node of nodes) {
    const { kind, commandId, replacedBy, redrives } = node.step;
    if (kind !== 'redriven' && kind !== 'edited') continue;
    const sent = received.filter(
      ({ step }) =>
        step.commandId === (replacedBy ?? commandId) && step.redrives === (redrives ?? 0) + 1,
    );
    // A redrive is noted after its command was sent.
    node.timeMs = Math.min(node.timeMs, ...sent.map(({ timeMs }) => timeMs));
    for (const each of sent) each.before.push(node);
  }
}

/** Links the events of each product by their sequence. */
function linkSequences(nodes: readonly Node[]): void {
  const counted = nodes.filter(
    ({ step }) => step.kind === 'decided' && step.sku !== null && step.sequence !== null,
  );
  for (const group of Map.groupBy(counted, ({ step }) => step.sku).values()) {
    const bySequence = group.toSorted((a, b) => (a.step.sequence ?? 0) - (b.step.sequence ?? 0));
    for (const [index, node] of bySequence.entries()) {
      const former = bySequence[index - 1];
      if (former && former.step.sequence !== node.step.sequence) node.before.push(former);
    }
  }
}

/** Moves a step behind the steps that it follows. Cuts a circle that a forged record closes. */
function settle(node: Node): void {
  if (node.state !== 'new') return;
  node.state = 'open';
  for (const former of node.before) {
    settle(former);
    if (former.state === 'open') continue;
    if (former.timeMs > node.timeMs) {
      node.timeMs = former.timeMs;
      node.depth = former.depth + 1;
    } else if (former.timeMs === node.timeMs) node.depth = Math.max(node.depth, former.depth + 1);
  }
  node.state = 'done';
}

function sortKeyOf({ place, eventId }: LinkedStep, timeMs: number, depth: number): string {
  // Inside a record, the events have numbers at the ends of their ids.
  const number = /\/(\d+)$/.exec(eventId ?? '')?.[1] ?? '';
  const text = `${new Date(timeMs).toISOString()} ${String(depth).padStart(4, '0')}`;
  return `${text} ${padOffset(place)} ${number.padStart(6, '0')}`;
}

/** Pads the offset, so that texts sort as numbers do. */
function padOffset(place: string): string {
  return place.replace(/\d+$/, (offset) => offset.padStart(15, '0'));
}
