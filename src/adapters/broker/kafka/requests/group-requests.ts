import type { Encoder } from '../kafkajs-internals.ts';
import { operationsIn } from './authorized-operations.ts';
import { type Exchange, exchange } from './exchange.ts';

/*
 * The requests that find a coordinator, and those that a member of a group sends to it.
 *
 * Source: Apache Kafka, protocol guide: FindCoordinator v2, JoinGroup v5, SyncGroup v3,
 * Heartbeat v3, LeaveGroup v3, DescribeGroups v3. These versions support static members (KIP-345)
 * and tell what the client may do (KIP-430).
 */

/** The part of every answer to a group request. The error code is 0 for success. */
export interface GroupAnswer {
  readonly errorCode: number;
}

/** The member that sends the request, as the group knows it. */
export interface MemberIdentity {
  readonly groupId: string;
  readonly generation: number;
  readonly memberId: string;
  /** The name that a static member keeps when its process restarts; null for other members. */
  readonly instanceId: string | null;
}

interface CoordinatorAnswer extends GroupAnswer {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

export interface JoinAnswer extends GroupAnswer {
  readonly generation: number;
  readonly protocol: string;
  readonly leaderId: string;
  readonly memberId: string;
  /** All members in the answer to the group's leader, which assigns partitions; else empty. */
  readonly members: readonly {
    readonly memberId: string;
    readonly instanceId: string | null;
    readonly metadata: Buffer;
  }[];
}

interface SyncAnswer extends GroupAnswer {
  readonly assignment: Buffer;
}

const COORDINATED = { group: 0, 'transactional id': 1 } as const;

/** Makes the request that finds the coordinator of a group or of a transactional id. */
export function findCoordinator(
  name: string,
  kind: keyof typeof COORDINATED = 'group',
): Exchange<CoordinatorAnswer> {
  return exchange(
    {
      apiKey: 10,
      apiVersion: 2,
      apiName: 'FindCoordinator',
      ...(kind === 'group' && { group: name }),
    },
    (encoder) => encoder.writeString(name).writeInt8(COORDINATED[kind]),
    (decoder) => {
      decoder.readInt32(); // throttle time
      const errorCode = decoder.readInt16();
      decoder.readString(); // message
      return {
        errorCode,
        nodeId: decoder.readInt32(),
        host: String(decoder.readString()),
        port: decoder.readInt32(),
      };
    },
  );
}

interface GroupDescription extends GroupAnswer {
  readonly members: readonly {
    readonly memberId: string;
    readonly clientId: string;
    /** The address of the member's process. */
    readonly host: string;
    readonly assignment: Buffer;
  }[];
  /** What this client may do with the group, one bit for each operation. Null: not told. */
  readonly operations: number | null;
}

/** Makes the request that asks a coordinator for the members of the group. */
export function describeGroup(groupId: string): Exchange<GroupDescription> {
  return exchange<GroupDescription>(
    { apiKey: 15, apiVersion: 3, apiName: 'DescribeGroups', group: groupId },
    (encoder) => encoder.writeInt32(1).writeString(groupId).writeBoolean(true),
    (decoder) => {
      decoder.readInt32(); // throttle time
      const [answer] = decoder.readArray((each) => {
        const errorCode = each.readInt16();
        for (let texts = 4; texts > 0; texts -= 1) each.readString(); // group, state, protocols
        const members = each.readArray((member) => {
          const memberId = String(member.readString());
          const clientId = String(member.readString());
          const host = String(member.readString()).replace(/^\//, '');
          member.readBytes(); // metadata
          return { memberId, clientId, host, assignment: member.readBytes() ?? Buffer.alloc(0) };
        });
        return { errorCode, members, operations: operationsIn(each) };
      });
      if (!answer) throw new Error(`Kafka's answer to DescribeGroups leaves out ${groupId}`);
      return answer;
    },
  );
}

/**
 * Makes the request with which a member joins its group.
 * @param protocols the ways of assigning that this member knows, the preferred one first
 */
export function joinGroup(
  { groupId, memberId, instanceId }: MemberIdentity,
  times: { readonly sessionMs: number; readonly rebalanceMs: number },
  protocols: readonly { readonly name: string; readonly metadata: Buffer }[],
): Exchange<JoinAnswer> {
  return exchange<JoinAnswer>(
    { apiKey: 11, apiVersion: 5, apiName: 'JoinGroup', group: groupId },
    (encoder) => {
      encoder.writeString(groupId).writeInt32(times.sessionMs).writeInt32(times.rebalanceMs);
      encoder.writeString(memberId).writeString(instanceId).writeString('consumer');
      encoder.writeInt32(protocols.length);
      for (const { name, metadata } of protocols) encoder.writeString(name).writeBytes(metadata);
      return encoder;
    },
    (decoder) => {
      decoder.readInt32(); // throttle time
      return {
        errorCode: decoder.readInt16(),
        generation: decoder.readInt32(),
        protocol: String(decoder.readString()),
        leaderId: String(decoder.readString()),
        memberId: String(decoder.readString()),
        members: decoder.readArray((each) => ({
          memberId: String(each.readString()),
          instanceId: each.readString(),
          metadata: each.readBytes() ?? Buffer.alloc(0),
        })),
      };
    },
  );
}

/**
 * Makes the request with which a member asks for its assignment.
 * @param assignments each member's assignment, if this member leads the group; else none
 */
export function syncGroup(
  identity: MemberIdentity,
  assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[],
): Exchange<SyncAnswer> {
  return exchange(
    { apiKey: 14, apiVersion: 3, apiName: 'SyncGroup', group: identity.groupId },
    (encoder) => {
      writeIdentity(encoder, identity).writeInt32(assignments.length);
      for (const { memberId, assignment } of assignments)
        encoder.writeString(memberId).writeBytes(assignment);
      return encoder;
    },
    (decoder) => {
      decoder.readInt32(); // throttle time
      return { errorCode: decoder.readInt16(), assignment: decoder.readBytes() ?? Buffer.alloc(0) };
    },
  );
}

export function heartbeat(identity: MemberIdentity): Exchange<GroupAnswer> {
  return exchange(
    { apiKey: 12, apiVersion: 3, apiName: 'Heartbeat', group: identity.groupId },
    (encoder) => writeIdentity(encoder, identity),
    (decoder) => {
      decoder.readInt32(); // throttle time
      return { errorCode: decoder.readInt16() };
    },
  );
}

export function leaveGroup({
  groupId,
  memberId,
  instanceId,
}: MemberIdentity): Exchange<GroupAnswer> {
  return exchange(
    { apiKey: 13, apiVersion: 3, apiName: 'LeaveGroup', group: groupId },
    (encoder) =>
      encoder.writeString(groupId).writeInt32(1).writeString(memberId).writeString(instanceId),
    (decoder) => {
      decoder.readInt32(); // throttle time
      return { errorCode: decoder.readInt16() };
    },
  );
}

function writeIdentity(
  encoder: Encoder,
  { groupId, generation, memberId, instanceId }: MemberIdentity,
): Encoder {
  return encoder
    .writeString(groupId)
    .writeInt32(generation)
    .writeString(memberId)
    .writeString(instanceId);
}
