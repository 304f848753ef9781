import type { SimulatedLog } from './simulated-log.ts';
import type { World } from './world.ts';

export const SKUS = ['CHAIR', 'LAMP', 'TABLE', 'SHELF', 'STOOL'];
const UNREADABLE = ['{"type":"ShipOrder"}', 'no JSON', '{"type":"AllocateOrder","orderid":"o","sku":"LAMP","qty":0}'];

const BURSTS = 5;
const LONGEST_BURST_MS = 300;
const LATEST_MS = 2_000;

interface Sent {
  readonly sku: string;
  readonly value: string;
}

/**
 * Appends `count` commands to the topic over `withinMs`: of every kind, keyed by sku, some that nobody can read. Some are sent again,
 * some come twice because their producer tried again, and some late: after what was sent behind them.
 */
export function sendCommands(world: World, log: SimulatedLog, topic: string, count: number, withinMs: number): void {
  const sent: Sent[] = [];
  for (const [index, sku] of SKUS.entries())
    sent.push(command(index, sku, { type: 'CreateBatch', reference: `${sku}-first`, sku, quantity: 20 }));
  while (sent.length < count) sent.push(anything(world, sent));
  // Half of them alone, half of them in bursts, so that a lane has one in hand while it publishes another.
  const bursts = Array.from({ length: BURSTS }, () => world.random() * withinMs);
  const times = sent
    .map(() => (world.chance(0.5) ? world.random() * withinMs : world.pick(bursts) + world.random() * LONGEST_BURST_MS))
    .sort((a, b) => a - b);
  for (const [index, { sku, value }] of sent.entries()) {
    const record = { key: sku, value, headers: {} };
    const append = () => log.append(topic, log.partitionOf(record), record);
    const lateMs = world.chance(0.02) ? world.random() * LATEST_MS : 0;
    world.after((times[index] as number) + lateMs, append);
    if (world.chance(0.05)) world.after((times[index] as number) + world.random() * LATEST_MS, append);
  }
}

function anything(world: World, sent: readonly Sent[]): Sent {
  const sku = world.pick(SKUS);
  const orderid = `order-${world.between(0, sent.length)}`;
  const dice = world.random();
  if (dice < 0.1) return world.pick(sent);
  if (dice < 0.14) return { sku, value: world.pick(UNREADABLE) };
  if (dice < 0.22)
    return command(sent.length, sku, { type: 'CreateBatch', reference: `${sku}-${sent.length}`, sku, quantity: world.between(0, 20) });
  if (dice < 0.32)
    return command(sent.length, sku, { type: 'ChangeBatchQuantity', reference: `${sku}-first`, quantity: world.between(0, 30) });
  if (dice < 0.42) return command(sent.length, sku, { type: 'DeallocateOrder', orderid, sku });
  if (dice > 0.9) {
    const lines = SKUS.map((each) => ({ sku: each, qty: world.between(1, 3) }));
    return command(sent.length, sku, { type: 'AllocateOrder', orderid: `large-${sent.length}`, lines });
  }
  return command(sent.length, sku, { type: 'AllocateOrder', orderid: `order-${sent.length}`, sku, qty: world.between(1, 6) });
}

function command(index: number, sku: string, body: object): Sent {
  return { sku, value: JSON.stringify({ id: `command-${index}`, ...body }) };
}
