import fc from 'fast-check';
import type { AssignorMember } from '../../src/adapters/broker/kafka/consumer/assignor.ts';

const RUNS = 500;
const MAX_PARTITIONS = 24;
const MAX_MEMBERS = 7;

export type Assignment = ReadonlyMap<string, readonly number[]>;

interface Ownership {
  readonly owned?: readonly number[];
  readonly generation?: number;
  readonly givenBack?: readonly number[];
  readonly instanceId?: string;
}

/** A member that claims partitions, or owns nothing. */
export function member(
  memberId: string,
  { owned = [], generation = 1, givenBack = [], instanceId }: Ownership = {},
): AssignorMember {
  return {
    memberId,
    instanceId: instanceId ?? null,
    subscription: { topics: ['commands'], owned, generation, givenBack },
  };
}

/** Lets the members join again as the owners of what they were assigned. */
export function rejoin(
  members: readonly AssignorMember[],
  assignment: Assignment,
  generation: number,
): readonly AssignorMember[] {
  return members.map(({ memberId, instanceId, subscription }) => {
    const owned = assignment.get(memberId) ?? [];
    return { memberId, instanceId, subscription: { ...subscription, owned, generation } };
  });
}

/** Returns the members that claim the partition. */
export function ownersOf(
  members: readonly AssignorMember[],
  partition: number,
): readonly AssignorMember[] {
  return members.filter(({ subscription }) => subscription.owned.includes(partition));
}

/** Counts the partitions of each member. */
export function countsOf(assignment: Assignment): readonly number[] {
  return [...assignment.values()].map(({ length }) => length);
}

/** Returns the difference between the largest count and the smallest. */
export function spread(counts: readonly number[]): number {
  return Math.max(...counts) - Math.min(...counts);
}

/** Tells whether a chain of moves that the members allow would bring two counts closer. */
export function couldBeMoreEven(
  members: readonly AssignorMember[],
  assignment: Assignment,
): boolean {
  const given = members.map(({ memberId }) => assignment.get(memberId) ?? []);
  const isWanted = (partition: number) =>
    members.some(({ subscription }) => !subscription.givenBack.includes(partition));
  const leads = given.map((partitions) =>
    members.map(({ subscription }) =>
      partitions.some(
        (partition) => isWanted(partition) && !subscription.givenBack.includes(partition),
      ),
    ),
  );
  const all = members.keys().toArray();
  for (const via of all) {
    for (const from of all) {
      for (const to of all)
        if (leads[from]?.[via] && leads[via]?.[to]) (leads[from] as boolean[])[to] = true;
    }
  }
  const count = (index: number) => given[index]?.length ?? 0;
  return all.some((from) => all.some((to) => leads[from]?.[to] && count(to) + 2 <= count(from)));
}

const partitions = fc.uniqueArray(fc.nat(MAX_PARTITIONS + 1), { maxLength: MAX_PARTITIONS });

/** Members that claim anything: old generations, disputed partitions, missing partitions. */
export const arbitraryMembers = fc
  .array(
    fc.record({
      owned: partitions,
      generation: fc.integer({ min: -1, max: 3 }),
      givenBack: fc.oneof(fc.constant([]), partitions),
    }),
    {
      minLength: 1,
      maxLength: MAX_MEMBERS,
    },
  )
  .map((all) => all.map((ownership, index) => member(`member-${index}`, ownership)));

/** Members of a group of this release, in which each partition has at most one owner. */
export const arbitraryGroup = fc
  .tuple(
    fc.integer({ min: 1, max: MAX_MEMBERS }),
    fc.array(fc.integer({ min: -1, max: MAX_MEMBERS - 1 }), {
      minLength: 1,
      maxLength: MAX_PARTITIONS,
    }),
  )
  .map(([count, owners]) => {
    const group = Array.from({ length: count }, (_, index) =>
      member(`member-${index}`, {
        owned: owners.flatMap((owner, partition) => (owner === index ? [partition] : [])),
      }),
    );
    return { group, partitionCount: owners.length };
  });

export const partitionCounts = fc.integer({ min: 1, max: MAX_PARTITIONS });

/** Checks the property for many values. */
export function check<T>(arbitrary: fc.Arbitrary<T>, property: (value: T) => void): void {
  fc.assert(fc.property(arbitrary, property), { numRuns: RUNS });
}
