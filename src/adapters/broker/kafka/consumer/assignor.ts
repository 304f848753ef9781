import type { MemberSubscription } from './subscription.ts';

/*
 * Decides which member of the group gets which partitions: incremental, cooperative (Apache Kafka,
 * KIP-429) and sticky. The group's leader calls `assign` once in each generation.
 *
 *   owned by A ──the target gives it to B──▶ withheld: A learns of the loss, closes, joins again
 *   unowned    ◀──────────────────────────── the next generation begins
 *   unowned    ──the target gives it to B──▶ owned by B
 *
 * The target is as even as the given-back partitions allow: no chain of moves brings the counts of
 * two members closer. So a partition that the next generation assigns needs no further move, and
 * two generations are enough.
 */

/** A member of the group, as far as the division of the partitions needs it. */
export interface AssignorMember {
  readonly memberId: string;
  /** The name that a static member keeps across restarts (KIP-345). */
  readonly instanceId: string | null;
  readonly subscription: MemberSubscription;
}

/** The claim of the latest generation to a partition. */
interface Claim {
  readonly generation: number;
  /** Null if two members claim the partition with the same generation. */
  readonly owner: AssignorMember | null;
}

/** The partitions that the target gives to one member. */
interface Share {
  readonly member: AssignorMember;
  /** The partitions that the member keeps come first. */
  readonly partitions: Set<number>;
}

type MayTake = (partition: number, member: AssignorMember) => boolean;

/**
 * Divides the partitions among the members. A partition that must leave its owner goes to no member
 * in this round.
 * @returns each member's partitions by member id, in ascending order
 */
export function assign(
  members: readonly AssignorMember[],
  partitionCount: number,
): ReadonlyMap<string, readonly number[]> {
  const claims = claimsOf(members);
  return partitionsByMember(targetOf(members, partitionCount, claims), (partition, member) => {
    const claim = claims.get(partition);
    return !claim || claim.owner === member;
  });
}

/**
 * Divides all partitions at once. A group with members of the former release needs this: there each
 * member has given up all partitions before it joins.
 */
export function assignEagerly(
  members: readonly AssignorMember[],
  partitionCount: number,
): ReadonlyMap<string, readonly number[]> {
  return partitionsByMember(targetOf(members, partitionCount, claimsOf(members)), () => true);
}

/**
 * Counts the partitions that `assign` withholds from each member in this round. The member gets
 * them in the next round, after their owners have closed them.
 */
export function countWithheld(
  members: readonly AssignorMember[],
  partitionCount: number,
): ReadonlyMap<string, number> {
  const assignments = assign(members, partitionCount);
  const target = targetOf(members, partitionCount, claimsOf(members));
  return new Map(
    target.map(({ member, partitions }) => [
      member.memberId,
      partitions.size - (assignments.get(member.memberId)?.length ?? 0),
    ]),
  );
}

function partitionsByMember(
  shares: readonly Share[],
  isGiven: MayTake,
): ReadonlyMap<string, readonly number[]> {
  return new Map(
    shares.map(({ member, partitions }) => [
      member.memberId,
      [...partitions].filter((partition) => isGiven(partition, member)).sort((a, b) => a - b),
    ]),
  );
}

/** Finds each partition's claim. A claim of a later generation replaces an earlier one. */
function claimsOf(members: readonly AssignorMember[]): ReadonlyMap<number, Claim> {
  const claims = new Map<number, Claim>();
  for (const member of members) {
    const { generation, owned } = member.subscription;
    for (const partition of new Set(owned)) {
      const other = claims.get(partition);
      if (!other || other.generation < generation)
        claims.set(partition, { generation, owner: member });
      else if (other.generation === generation) claims.set(partition, { generation, owner: null });
    }
  }
  return claims;
}

/** Divides all partitions as they shall be in the end. The members need up to two generations. */
function targetOf(
  members: readonly AssignorMember[],
  partitionCount: number,
  claims: ReadonlyMap<number, Claim>,
): readonly Share[] {
  const mayTake = takersOf(members, claims);
  const shares = members
    .toSorted(byName)
    .map((member): Share => ({ member, partitions: new Set() }));
  if (shares.length === 0) return shares;
  const shareOf = new Map(shares.map((share) => [share.member, share]));
  const moving = new Set<number>();
  for (let partition = 0; partition < partitionCount; partition += 1) {
    const owner = claims.get(partition)?.owner;
    if (owner && mayTake(partition, owner)) shareOf.get(owner)?.partitions.add(partition);
    else moving.add(partition);
  }
  for (const partition of moving)
    shares.find(({ member }) => mayTake(partition, member))?.partitions.add(partition);
  // Level with the moving partitions alone first. Otherwise the second round might move partitions
  // that the first round has assigned.
  level(shares, (partition, member) => moving.has(partition) && mayTake(partition, member));
  level(shares, mayTake);
  return shares;
}

/**
 * Makes the rule for given-back partitions. A partition goes to no member that has given it back.
 * If all members have given it back, it stays with its owner.
 */
function takersOf(members: readonly AssignorMember[], claims: ReadonlyMap<number, Claim>): MayTake {
  const givenBack = new Map(
    members.map((member) => [member, new Set(member.subscription.givenBack)]),
  );
  const [first, ...others] = givenBack.values();
  const unwanted = others.reduce((left, set) => left.intersection(set), first ?? new Set());
  return (partition, member) => {
    if (!unwanted.has(partition)) return !givenBack.get(member)?.has(partition);
    const owner = claims.get(partition)?.owner;
    return !owner || owner === member;
  };
}

/** Orders members so that a restart, which changes a static member's id, does not move it. */
function byName(a: AssignorMember, b: AssignorMember): number {
  return nameOf(a) < nameOf(b) ? -1 : 1;
}

function nameOf({ instanceId, memberId }: AssignorMember): string {
  return instanceId ?? memberId;
}

/**
 * Moves partitions until no chain of moves brings two counts closer. The loop ends, because each
 * move makes the counts more even.
 */
function level(shares: readonly Share[], mayTake: MayTake): void {
  let isLevel = false;
  while (!isLevel) {
    const fewestFirst = shares.toSorted((a, b) => a.partitions.size - b.partitions.size);
    const searched = new Set<Share>();
    isLevel = !fewestFirst
      .toReversed()
      .some((share) => !searched.has(share) && relieve(share, fewestFirst, mayTake, searched));
  }
}

/**
 * Moves one partition from a full share towards a share with at least two fewer, along the shortest
 * chain of moves. The search goes breadth first.
 * @param searched gets the shares that lead to no such share; the caller need not search from them
 * @returns whether it has found such a share
 */
function relieve(
  full: Share,
  fewestFirst: readonly Share[],
  mayTake: MayTake,
  searched: Set<Share>,
): boolean {
  const isMuchLess = ({ partitions }: Share) => partitions.size + 2 <= full.partitions.size;
  if (!fewestFirst.some(isMuchLess)) return false;
  const unreached = new Set(fewestFirst);
  unreached.delete(full);
  const steps = new Map<Share, { readonly from: Share; readonly partition: number }>();
  const reached = [full];
  for (const from of reached) {
    // Move new partitions of the member before those that it keeps.
    for (const partition of [...from.partitions].reverse()) {
      for (const to of unreached) {
        if (!mayTake(partition, to.member)) continue;
        steps.set(to, { from, partition });
        if (isMuchLess(to)) {
          moveAlong(steps, to);
          return true;
        }
        reached.push(to);
        unreached.delete(to);
      }
    }
    searched.add(from);
  }
  return false;
}

/** Moves one partition along each step of the chain that ends at the share. */
function moveAlong(
  steps: ReadonlyMap<Share, { readonly from: Share; readonly partition: number }>,
  end: Share,
): void {
  for (let to = end, step = steps.get(to); step; to = step.from, step = steps.get(to)) {
    step.from.partitions.delete(step.partition);
    to.partitions.add(step.partition);
  }
}
