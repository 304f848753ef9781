import type { LaneReport } from '../entrypoints/lane-report.ts';
import type { OffsetRange } from '../service-layer/broker.ts';
import type { MemberView } from '../service-layer/consumer-group.ts';
import type { LanePause } from '../service-layer/lane-store.ts';
import { laneTable } from './lane-table.ts';
import { LatestAnswer } from './latest-answer.ts';
import type { ServiceStatus } from './service-status.ts';

/** Callers within this time share one status. Each page asks every two seconds. */
const SHARE_MS = 1_000;
/** How long a status waits for the broker and the database. */
const WAIT_MS = 800;
/** How old the members of the group may be. */
const MEMBERS_MAX_AGE_MS = 5_000;

/** Where the status comes from. */
export interface StatusSources {
  readonly service: Omit<ServiceStatus['service'], 'instance'>;
  /** The name and the address of this instance, if the group has no name for this instance. */
  readonly self: { readonly instance: string; readonly host: string };
  /** Lists what keeps the service from answering commands. May ask the broker and the database. */
  readonly readiness: () => Promise<readonly string[]>;
  readonly lanes: () => readonly LaneReport[];
  /** Where the partitions end. Empty: not known. */
  readonly ranges: () => readonly OffsetRange[];
  readonly pauses: () => ReadonlyMap<number, LanePause>;
  /** Asks for the members of the group. Null: the log knows none, or the group is not joined. */
  readonly members: () => Promise<readonly MemberView[] | null>;
  readonly parked: () => Promise<number>;
  /** What the index of dead letters knows. Null: nothing yet. */
  readonly deadLetters: () => Pick<ServiceStatus['deadLetters'], 'open' | 'oldestAt'> | null;
  readonly recovery: () => ServiceStatus['recovery'];
}

/**
 * Says how the service is. A broker or a database that does not answer holds the status back for
 * less than a second. A fact that is not known is null.
 */
export class StatusBoard {
  readonly #sources: StatusSources;
  readonly #readiness: LatestAnswer<readonly string[]>;
  readonly #members: LatestAnswer<readonly MemberView[] | null>;
  readonly #parked: LatestAnswer<number>;
  #shared: Promise<ServiceStatus> | null = null;
  #sharedAtMs = 0;

  constructor(sources: StatusSources) {
    this.#sources = sources;
    this.#readiness = new LatestAnswer(SHARE_MS, sources.readiness);
    this.#members = new LatestAnswer(MEMBERS_MAX_AGE_MS, sources.members);
    this.#parked = new LatestAnswer(SHARE_MS, sources.parked);
  }

  /** Returns a status that is at most a second old. Never rejects. */
  now(): Promise<ServiceStatus> {
    const nowMs = performance.now();
    if (this.#shared === null || nowMs - this.#sharedAtMs >= SHARE_MS) {
      this.#shared = this.#look();
      this.#sharedAtMs = nowMs;
    }
    return this.#shared;
  }

  async #look(): Promise<ServiceStatus> {
    const { service, self, lanes, ranges, pauses, deadLetters, recovery } = this.#sources;
    const [checked, known, parked] = await Promise.all([
      this.#readiness.within(WAIT_MS),
      this.#members.within(WAIT_MS),
      this.#parked.within(WAIT_MS),
    ]);
    const own = lanes();
    const members = known?.map(asMember) ?? [
      { ...self, partitions: own.map(({ partition }) => partition), isThis: true },
    ];
    const instance = members.find(({ isThis }) => isThis)?.instance ?? self.instance;
    const problems = checked ?? ['The log or the database has not answered yet'];
    return {
      service: { ...service, instance },
      isReady: problems.length === 0,
      problems: [...problems],
      lanes: laneTable({
        instance,
        own,
        ends: new Map(ranges().map(({ partition, end }) => [partition, end])),
        pauses: pauses(),
        members: known === null ? null : members,
      }),
      members,
      areMembersKnown: known !== null || service.broker === 'embedded',
      deadLetters: { ...(deadLetters() ?? { open: null, oldestAt: null }), parked },
      recovery: recovery(),
    };
  }
}

function asMember({ instance, host, partitions, isThis }: MemberView) {
  return { instance, host, partitions: [...partitions], isThis };
}
