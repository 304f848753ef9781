import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assign,
  assignEagerly,
  countWithheld,
  type GroupMember,
} from '../../../src/adapters/broker/kafka/consumer/assignor.ts';

const RUNS = 500;
const MAX_PARTITIONS = 24;
const MAX_MEMBERS = 7;

type Assignment = ReadonlyMap<string, readonly number[]>;

interface Ownership {
  readonly owned?: readonly number[];
  readonly generation?: number;
  readonly givenBack?: readonly number[];
  readonly instanceId?: string;
}

function member(
  memberId: string,
  { owned = [], generation = 1, givenBack = [], instanceId }: Ownership = {},
): GroupMember {
  return {
    memberId,
    instanceId: instanceId ?? null,
    subscription: { topics: ['commands'], owned, generation, givenBack },
  };
}

/** Lets the members join again as the owners of what they were assigned. */
function rejoin(
  members: readonly GroupMember[],
  assignment: Assignment,
  generation: number,
): readonly GroupMember[] {
  return members.map(({ memberId, instanceId, subscription }) => {
    const owned = assignment.get(memberId) ?? [];
    return { memberId, instanceId, subscription: { ...subscription, owned, generation } };
  });
}

function ownersOf(members: readonly GroupMember[], partition: number): readonly GroupMember[] {
  return members.filter(({ subscription }) => subscription.owned.includes(partition));
}

function countsOf(assignment: Assignment): readonly number[] {
  return [...assignment.values()].map(({ length }) => length);
}

function spread(counts: readonly number[]): number {
  return Math.max(...counts) - Math.min(...counts);
}

/** Tells whether a chain of moves that the members allow would bring two counts closer. */
function couldBeMoreEven(members: readonly GroupMember[], assignment: Assignment): boolean {
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
const arbitraryMembers = fc
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
const arbitraryGroup = fc
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

const partitionCounts = fc.integer({ min: 1, max: MAX_PARTITIONS });

function check<T>(arbitrary: fc.Arbitrary<T>, property: (value: T) => void): void {
  fc.assert(fc.property(arbitrary, property), { numRuns: RUNS });
}

describe('the partitions of one generation', () => {
  it('go to at most one member each, and every member has a list', () => {
    check(fc.tuple(arbitraryMembers, partitionCounts), ([members, partitionCount]) => {
      const assignment = assign(members, partitionCount);
      const given = [...assignment.values()].flat();
      expect(new Set(given).size).toBe(given.length);
      expect(given.every((partition) => partition >= 0 && partition < partitionCount)).toBe(true);
      expect([...assignment.keys()].sort()).toEqual(members.map(({ memberId }) => memberId).sort());
    });
  });

  it('never move directly from their owner to another member', () => {
    check(fc.tuple(arbitraryMembers, partitionCounts), ([members, partitionCount]) => {
      const assignment = assign(members, partitionCount);
      for (const [memberId, given] of assignment) {
        for (const partition of given) {
          const owners = ownersOf(members, partition);
          const latest = Math.max(...owners.map(({ subscription }) => subscription.generation));
          const entitled = owners.filter(({ subscription }) => subscription.generation === latest);
          expect([[], [memberId]]).toContainEqual(entitled.map((owner) => owner.memberId));
        }
      }
    });
  });

  it('do not depend on the order of the members', () => {
    const shuffled = arbitraryMembers.chain((members) =>
      fc.tuple(fc.constant(members), fc.shuffledSubarray(members, { minLength: members.length })),
    );
    check(fc.tuple(shuffled, partitionCounts), ([[members, others], partitionCount]) => {
      const sorted = (assignment: Assignment) => [...assignment].sort();
      expect(sorted(assign(others, partitionCount))).toEqual(
        sorted(assign(members, partitionCount)),
      );
      expect(sorted(assignEagerly(others, partitionCount))).toEqual(
        sorted(assignEagerly(members, partitionCount)),
      );
    });
  });

  it('are not assigned in a group without members', () => {
    expect(assign([], 4).size).toBe(0);
  });

  it('are assigned at once if they have no owner', () => {
    expect(assign([member('a', { owned: [0, 1] }), member('b', { owned: [2] })], 4)).toEqual(
      new Map([
        ['a', [0, 1]],
        ['b', [2, 3]],
      ]),
    );
  });

  it('belong to the claim of the later generation if two members claim them', () => {
    const assignment = assign(
      [
        member('a', { owned: [0, 1], generation: 4 }),
        member('b', { owned: [0, 1], generation: 5 }),
      ],
      2,
    );
    // One of the two partitions moves in a later generation.
    expect(assignment).toEqual(
      new Map([
        ['a', []],
        ['b', [0]],
      ]),
    );
  });

  it('are lost by both members that claim them in one generation', () => {
    expect(assign([member('a', { owned: [0, 1] }), member('b', { owned: [1, 2] })], 3)).toEqual(
      new Map([
        ['a', [0]],
        ['b', [2]],
      ]),
    );
  });

  it('belong to a later claim in a dispute, wherever it is listed', () => {
    const disputing = [member('a', { owned: [0] }), member('b', { owned: [0] })];
    for (const name of ['0', 'aa', 'c']) {
      expect(
        assign([...disputing, member(name, { owned: [0], generation: 2 })], 1).get(name),
      ).toEqual([0]);
    }
  });

  it('are divided within a second if there are 1,000, and 50 members', () => {
    const everything = Array.from({ length: 1_000 }, (_, partition) => partition);
    const members = Array.from({ length: 50 }, (_, index) =>
      member(`member-${index}`, {
        owned: index === 0 ? everything : [],
        givenBack: index % 2 === 1 ? everything : [],
      }),
    );
    const bestMs = Math.min(
      ...Array.from({ length: 5 }, () => {
        const startMs = performance.now();
        expect(assign(members, 1_000).get('member-0')).toHaveLength(40);
        return performance.now() - startMs;
      }),
    );
    expect(bestMs).toBeLessThan(1_000);
  });
});

describe('the partitions of several generations', () => {
  it('are all assigned and even after two generations, and then nothing moves', () => {
    check(fc.tuple(arbitraryMembers, partitionCounts), ([members, partitionCount]) => {
      const two = assign(rejoin(members, assign(members, partitionCount), 4), partitionCount);
      expect(countsOf(two).reduce((sum, count) => sum + count, 0)).toBe(partitionCount);
      expect(couldBeMoreEven(members, two)).toBe(false);
      if (members.every(({ subscription }) => subscription.givenBack.length === 0))
        expect(spread(countsOf(two))).toBeLessThanOrEqual(1);
      expect(assign(rejoin(members, two, 5), partitionCount)).toEqual(two);
    });
  });

  it('the second generation takes nothing from a member', () => {
    check(fc.tuple(arbitraryMembers, partitionCounts), ([members, partitionCount]) => {
      const one = assign(members, partitionCount);
      const two = assign(rejoin(members, one, 4), partitionCount);
      for (const [memberId, given] of one)
        expect(two.get(memberId)).toEqual(expect.arrayContaining([...given]));
    });
  });

  it('no more partitions leave their owners than the balance needs', () => {
    check(arbitraryGroup, ({ group, partitionCount }) => {
      const assignment = assign(group, partitionCount);
      const owned = group.map(({ subscription }) => subscription.owned.length);
      const kept = group.map(({ memberId, subscription }) => {
        return subscription.owned.filter((partition) =>
          assignment.get(memberId)?.includes(partition),
        ).length;
      });
      const least = Math.floor(partitionCount / group.length);
      const most = Math.ceil(partitionCount / group.length);
      const unowned = partitionCount - owned.reduce((sum, count) => sum + count, 0);
      const tooMany = owned.reduce((sum, count) => sum + Math.max(0, count - most), 0);
      const missing = owned.reduce((sum, count) => sum + Math.max(0, least - count), 0);
      const lost = owned.reduce((sum, count, index) => sum + count - (kept[index] ?? 0), 0);
      expect(lost).toBe(Math.max(tooMany, missing - unowned));
    });
  });

  it('a joining member gets its part from the others, which exchange nothing', () => {
    check(arbitraryGroup, ({ group, partitionCount }) => {
      const settled = assign(rejoin(group, assign(group, partitionCount), 2), partitionCount);
      const joined = [...rejoin(group, settled, 3), member('a-new-one', { generation: -1 })];
      const moved = assign(rejoin(joined, assign(joined, partitionCount), 4), partitionCount);
      expect(spread(countsOf(moved))).toBeLessThanOrEqual(1);
      for (const { memberId } of group)
        expect(settled.get(memberId)).toEqual(
          expect.arrayContaining([...(moved.get(memberId) ?? [])]),
        );
    });
  });

  it('the others share the partitions of a leaving member, and keep their own', () => {
    check(arbitraryGroup, ({ group, partitionCount }) => {
      const settled = assign(rejoin(group, assign(group, partitionCount), 2), partitionCount);
      const [, ...left] = rejoin(group, settled, 3);
      if (left.length === 0) return;
      const moved = assign(left, partitionCount);
      expect([...moved.values()].flat()).toHaveLength(partitionCount);
      for (const { memberId } of left)
        expect(moved.get(memberId)).toEqual(
          expect.arrayContaining([...(settled.get(memberId) ?? [])]),
        );
    });
  });
});

describe('the count of withheld partitions', () => {
  const joining = [member('old', { owned: [0, 1, 2, 3] }), member('new')];

  it('is what a joining member gets once the owner has closed', () => {
    expect(countWithheld(joining, 4)).toEqual(
      new Map([
        ['old', 0],
        ['new', 2],
      ]),
    );
  });

  it('is zero in the next generation', () => {
    const next = rejoin(joining, assign(joining, 4), 2);
    expect([...countWithheld(next, 4).values()]).toEqual([0, 0]);
  });
});

describe('a partition that a member has given back', () => {
  it('goes to no member that gave it back while there is another member', () => {
    check(fc.tuple(arbitraryMembers, partitionCounts), ([members, partitionCount]) => {
      const isWanted = (partition: number) =>
        members.some(({ subscription }) => !subscription.givenBack.includes(partition));
      for (const assignment of [
        assign(members, partitionCount),
        assignEagerly(members, partitionCount),
      ]) {
        for (const { memberId, subscription } of members) {
          const taken =
            assignment
              .get(memberId)
              ?.filter((partition) => subscription.givenBack.includes(partition)) ?? [];
          expect(taken.filter(isWanted)).toEqual([]);
        }
      }
    });
  });

  it('leaves its owner, and goes to another member in the next generation', () => {
    const members = [
      member('a', { owned: [0, 1], givenBack: [1] }),
      member('b', { owned: [2, 3] }),
    ];
    const one = assign(members, 4);
    expect(one.get('a')).toEqual([0]);
    expect(one.get('b')).not.toContain(1);
    expect(assign(rejoin(members, one, 2), 4).get('b')).toContain(1);
  });

  it('is replaced by a partition of another member', () => {
    const members = [member('a', { givenBack: [0] }), member('b', { owned: [1, 2] })];
    const two = assign(rejoin(members, assign(members, 3), 2), 3);
    expect(two.get('a')).toHaveLength(1);
    expect(two.get('b')).toHaveLength(2);
  });

  it('stays with its owner if all members have given it back', () => {
    const members = [
      member('a', { owned: [0, 1], givenBack: [0, 1] }),
      member('b', { givenBack: [0, 1] }),
    ];
    expect(assign(members, 2)).toEqual(
      new Map([
        ['a', [0, 1]],
        ['b', []],
      ]),
    );
  });

  it('goes to the least loaded if all have given it back and none owns it', () => {
    const members = [
      member('a', { owned: [0, 1], givenBack: [2] }),
      member('b', { givenBack: [2] }),
    ];
    expect(assign(members, 3).get('b')).toEqual([2]);
  });

  it('leaves a member that gave everything back with less than the others', () => {
    const members = [member('a', { givenBack: [0, 1, 2, 3] }), member('b'), member('c')];
    expect(countsOf(assign(members, 4))).toEqual([0, 2, 2]);
  });
});

describe('static members', () => {
  it('get the same partitions again with other member ids', () => {
    const named = (suffix: string) =>
      ['x', 'y', 'z'].map((instanceId, index) =>
        member(`${(index * 7) % 3}-${suffix}`, { instanceId }),
      );
    const byName = (members: readonly GroupMember[]) => {
      const assignment = assign(members, 7);
      return members.map(({ instanceId, memberId }) => [instanceId, assignment.get(memberId)]);
    };
    expect(byName(named('later'))).toEqual(byName(named('earlier')));
    const [x, y, z] = named('later');
    const restarted = [member('9-restarted', { instanceId: 'x' }), y, z].filter(
      (each) => each !== undefined,
    );
    expect(byName(restarted)).toEqual(byName([x, y, z].filter((each) => each !== undefined)));
  });
});

describe('an assignment among members of the former release', () => {
  it('assigns all partitions at once and evenly', () => {
    check(fc.tuple(arbitraryMembers, partitionCounts), ([members, partitionCount]) => {
      const assignment = assignEagerly(members, partitionCount);
      const given = [...assignment.values()].flat().sort((a, b) => a - b);
      expect(given).toEqual(Array.from({ length: partitionCount }, (_, partition) => partition));
      const eager = members.map(({ memberId }) => member(memberId));
      expect(spread(countsOf(assignEagerly(eager, partitionCount)))).toBeLessThanOrEqual(1);
    });
  });
});
