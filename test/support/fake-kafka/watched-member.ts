import { expect } from 'vitest';
import { GroupMember } from '../../../src/adapters/broker/kafka/consumer/group-member.ts';
import { eventually } from '../eventually.ts';
import { Edge, GROUP } from './edge.ts';

/** A member of a group that node 2 coordinates, and the notices that it got. */
export class WatchedMember implements AsyncDisposable {
  readonly edge: Edge;
  readonly told: string[] = [];
  readonly fenced: string[] = [];
  readonly member: GroupMember;

  constructor(edge: Edge, instanceId?: string) {
    this.edge = edge;
    const protocol = {
      name: 'test',
      subscription: () => Buffer.from('mine'),
      assign: async (all: readonly { readonly memberId: string }[]) =>
        all.map(({ memberId }) => ({ memberId, assignment: Buffer.from('yours') })),
    };
    const events = {
      onAssignment: (assignment: Buffer) => void this.told.push(String(assignment)),
      onLoss: () => void this.told.push('lost'),
      onFenced: ({ message }: Error) => void this.fenced.push(message),
    };
    const options = { ...edge.options, ...(instanceId !== undefined && { instanceId }) };
    this.member = new GroupMember(options, edge.view, GROUP, [protocol], events);
  }

  static async start(instanceId?: string): Promise<WatchedMember> {
    return new WatchedMember(await Edge.start(), instanceId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.member.close();
    await this.edge[Symbol.asyncDispose]();
  }

  /** Waits until the group has given the member this many assignments. */
  async assigned(times = 1): Promise<void> {
    await eventually(
      () => expect(this.told.filter((each) => each === 'yours')).toHaveLength(times),
      { withinMs: 20_000 },
    );
  }

  joins() {
    return this.edge.kafka.requests('JoinGroup').map(({ memberId }) => memberId);
  }
}
