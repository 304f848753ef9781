import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AssignorMember,
  assign,
  assignEagerly,
} from '../../../src/adapters/broker/kafka/consumer/assignor.ts';
import {
  arbitraryMembers,
  check,
  countsOf,
  member,
  partitionCounts,
  rejoin,
  spread,
} from '../../support/group-generations.ts';

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
    const byName = (members: readonly AssignorMember[]) => {
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
