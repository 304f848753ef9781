import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assign,
  assignEagerly,
  countWithheld,
} from '../../../src/adapters/broker/kafka/consumer/assignor.ts';
import {
  type Assignment,
  arbitraryGroup,
  arbitraryMembers,
  check,
  couldBeMoreEven,
  countsOf,
  member,
  ownersOf,
  partitionCounts,
  rejoin,
  spread,
} from '../../support/group-generations.ts';

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
