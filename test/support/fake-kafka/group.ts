import { CODES } from './codes.ts';

interface Joining {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly metadata: Buffer | null;
}

interface Member extends Joining {
  hasJoined: boolean;
}

const NOTHING = Buffer.alloc(0);

/**
 * A consumer group as its coordinator knows it. A join waits until all members have joined. A
 * synchronisation waits for that of the leader. No session ends here by itself: tests remove
 * members.
 */
export class Group {
  generation = 0;
  readonly members = new Map<string, Member>();
  #assignments = new Map<string, Buffer>();
  #complete = Promise.withResolvers<void>();
  #synchronised = Promise.withResolvers<void>();

  get leader(): string {
    return [...this.members.keys()][0] ?? '';
  }

  get isRebalancing(): boolean {
    return [...this.members.values()].some(({ hasJoined }) => !hasJoined);
  }

  /** Returns the error code with which the coordinator refuses the member; 0 when it does not. */
  refused(
    memberId: string,
    instanceId: string | null,
    generation: number = this.generation,
  ): number {
    const holder = [...this.members.values()].find(
      (member) => instanceId !== null && member.instanceId === instanceId,
    );
    if (holder && holder.memberId !== memberId) return CODES.FENCED_INSTANCE_ID;
    if (!this.members.has(memberId)) return CODES.UNKNOWN_MEMBER_ID;
    return generation === this.generation ? 0 : CODES.ILLEGAL_GENERATION;
  }

  /** Makes all members join again. */
  rebalance(): void {
    for (const member of this.members.values()) member.hasJoined = false;
  }

  async join(joining: Joining): Promise<void> {
    if (!this.isRebalancing) {
      this.#complete = Promise.withResolvers();
      this.#synchronised = Promise.withResolvers();
      this.rebalance();
    }
    for (const { memberId, instanceId } of this.members.values()) {
      if (instanceId !== null && instanceId === joining.instanceId) this.members.delete(memberId);
    }
    this.members.set(joining.memberId, { ...joining, hasJoined: true });
    this.#completeIfAllJoined();
    await this.#complete.promise;
  }

  assignmentOf(memberId: string): Buffer {
    return this.#assignments.get(memberId) ?? NOTHING;
  }

  leave(memberId: string): void {
    if (!this.members.delete(memberId)) return;
    if (this.isRebalancing) this.#completeIfAllJoined();
    else this.rebalance();
  }

  async synchronise(
    memberId: string,
    assignments: readonly { memberId: string; assignment: Buffer }[],
  ): Promise<Buffer> {
    if (memberId === this.leader) {
      this.#assignments = new Map(assignments.map((each) => [each.memberId, each.assignment]));
      this.#synchronised.resolve();
    }
    await this.#synchronised.promise;
    return this.#assignments.get(memberId) ?? NOTHING;
  }

  #completeIfAllJoined(): void {
    if (this.isRebalancing) return;
    this.generation += 1;
    this.#complete.resolve();
  }
}
