import { Backend, type BackendName, type OnProgress, type Servers } from './backend.ts';
import { measureLatency } from './latency.ts';
import { openPages } from './open-pages.ts';
import type { Peer } from './peers/peer.ts';
import { measureStartUp } from './start-up.ts';
import { measureThroughput } from './throughput.ts';
import { outcomesOf, type Workload, workloads } from './workload.ts';

/** A peer. Null: the service. */
export type Contender = Peer | null;
export type Figures = Readonly<Record<string, number>>;

/** The setting that the runs of a case share. */
export interface Setting {
  readonly servers: Servers;
  /** The number of orders in the throughput cases. The other cases take a fifth. */
  readonly commands: number;
  readonly seconds: number;
  /** The peers to measure beside the service. */
  readonly peers: readonly Peer[];
}

/** Measures all contenders once, one after the other, and returns their figures. */
export type Measure = (
  setting: Setting,
  onProgress: OnProgress,
) => Promise<ReadonlyMap<Contender, Figures>>;

/**
 * A case of the bench. `comparedWith` names the case of the same run that its figures are compared
 * with.
 */
export interface Case {
  readonly measure: Measure;
  readonly comparedWith?: string;
}

const SLOW_COMMANDS = 10_000;

/** All cases, by the name that `--cases` takes. */
export const cases = {
  throughput: { measure: inTurn(throughputOf) },
  'latency-50': { measure: inTurn(latencyAt(50)) },
  'latency-1000': { measure: inTurn(latencyAt(1_000), (peer) => !peer.isSlow) },
  spread: { measure: variant('kafka+sqlite', workloads.spread) },
  flatness: { measure: onFullDatabase, comparedWith: 'spread' },
  'hot-sku': { measure: variant('kafka+sqlite', workloads.hotSku), comparedWith: 'spread' },
  'five-lines': { measure: variant('kafka+sqlite', workloads.fiveLines), comparedWith: 'spread' },
  duplicates: { measure: variant('kafka+sqlite', workloads.duplicates), comparedWith: 'spread' },
  'out-of-stock': {
    measure: variant('kafka+sqlite', workloads.outOfStock),
    comparedWith: 'spread',
  },
  pages: { measure: variant('kafka+sqlite', workloads.spread, openPages), comparedWith: 'spread' },
  postgresql: { measure: variant('kafka+postgresql', workloads.spread), comparedWith: 'spread' },
  embedded: { measure: variant('embedded+sqlite', workloads.spread), comparedWith: 'spread' },
  rebuild: { measure: rebuild },
  'start-up': { measure: startUp },
} satisfies Record<string, Case>;

type MeasureOne = (
  contender: Contender,
  setting: Setting,
  onProgress: OnProgress,
) => Promise<Figures>;

function inTurn(measure: MeasureOne, takesPart: (peer: Peer) => boolean = () => true): Measure {
  return async (setting, onProgress) => {
    const figures = new Map<Contender, Figures>();
    for (const contender of [null, ...setting.peers.filter(takesPart)]) {
      figures.set(
        contender,
        await measure(contender, setting, (text) =>
          onProgress(`${contender?.name ?? 'the service'}: ${text}`),
        ),
      );
    }
    return figures;
  };
}

/** The preloaded topics, by their number of orders. All contenders answer the same topic. */
const preloaded = new Map<number, Promise<string>>();

async function throughputOf(
  contender: Contender,
  { servers, commands }: Setting,
  onProgress: OnProgress,
): Promise<Figures> {
  const orders = contender?.isSlow ? Math.min(SLOW_COMMANDS, commands) : commands;
  const preload = async () => {
    await using backend = await Backend.open('kafka+sqlite', servers);
    await backend.preload(workloads.spread, orders, onProgress);
    return backend.config.commandsTopic;
  };
  const topic = preloaded.get(orders) ?? preload();
  preloaded.set(orders, topic);
  await using backend = await Backend.open('kafka+sqlite', servers, await topic);
  return await measured(backend, contender, workloads.spread, orders, onProgress);
}

/** @param beside begins, with the url of the service, what goes on while it is measured */
async function measured(
  backend: Backend,
  contender: Contender,
  workload: Workload,
  orders: number,
  onProgress: OnProgress,
  beside?: (url: string) => AsyncDisposable,
) {
  const load = { commands: workload.stock.length + orders, outcomes: outcomesOf(workload, orders) };
  await using companions = new AsyncDisposableStack();
  const start = async () => {
    const program = await (contender ? backend.startPeer(contender) : backend.startService());
    companions.use(beside?.(program.url));
    return program;
  };
  const figures = await measureThroughput(backend, start, load, onProgress);
  await backend.checkOutcomes(load.outcomes, onProgress);
  return figures;
}

function latencyAt(perSecond: number): MeasureOne {
  return async (contender, { servers, seconds }, onProgress) => {
    await using backend = await Backend.open('kafka+sqlite', servers);
    const start = () => (contender ? backend.startPeer(contender) : backend.startService());
    return await measureLatency(backend, start, { perSecond, seconds }, onProgress);
  };
}

function variant(
  name: BackendName,
  workload: Workload,
  beside?: (url: string) => AsyncDisposable,
): Measure {
  return async ({ servers, commands }, onProgress) => {
    await using backend = await Backend.open(name, servers);
    const orders = commands / 5;
    await backend.preload(workload, orders, onProgress);
    const figures = await measured(backend, null, workload, orders, onProgress, beside);
    return new Map([[null, figures]]);
  };
}

/** Measures as many orders as `spread` on a database that already has five times as many. */
async function onFullDatabase(
  { servers, commands }: Setting,
  onProgress: OnProgress,
): Promise<ReadonlyMap<Contender, Figures>> {
  const { spread } = workloads;
  await using backend = await Backend.open('kafka+sqlite', servers);
  await backend.preload(spread, commands, onProgress);
  await measured(backend, null, spread, commands, onProgress);
  await backend.preload(spread, commands / 5, onProgress, commands);
  const load = { commands: commands / 5, outcomes: commands / 5 };
  const figures = await measureThroughput(backend, () => backend.startService(), load, onProgress);
  await backend.checkOutcomes(spread.stock.length + commands + commands / 5, onProgress);
  return new Map([[null, figures]]);
}

/** Rebuilds a SQLite database from the events of a whole throughput run. */
async function rebuild(
  { servers, commands }: Setting,
  onProgress: OnProgress,
): Promise<ReadonlyMap<Contender, Figures>> {
  const { spread } = workloads;
  await using backend = await Backend.open('kafka+sqlite', servers);
  await backend.preload(spread, commands, onProgress);
  await measured(backend, null, spread, commands, onProgress);
  onProgress('rebuilding');
  const { read, seconds } = await backend.rebuild();
  return new Map([[null, { eventsPerSecond: Math.round(read / Math.max(0.1, seconds)), seconds }]]);
}

async function startUp({ servers }: Setting): Promise<ReadonlyMap<Contender, Figures>> {
  await using backend = await Backend.open('embedded+sqlite', servers);
  return new Map([[null, await measureStartUp(backend)]]);
}
