import { ERROR, type ErrorName } from '../requests/error-codes.ts';

/** What a member does after an error. Each but `stay-out` leads to a request in a bounded time. */
type Reaction =
  /** The coordinator needs a moment: ask it again. */
  | 'ask-again'
  /** Another node coordinates: find that node and repeat the request. The generation goes on. */
  | 'find-coordinator'
  /** Join again. The member keeps working at the partitions that it owns. */
  | 'rejoin'
  /** The answer names the member: join again under that name. */
  | 'take-member-id'
  /** The group has gone on without this member: give up all partitions and join again. */
  | 'give-up-and-rejoin'
  /** The group does not know this member: give up all partitions and join as a new member. */
  | 'give-up-and-join-anew'
  /** An operator must change a setting. Try again after some seconds. */
  | 'wait-for-operator'
  /** Another process has taken this member's name: stay out for good. */
  | 'stay-out';

export type GroupRequest = 'JoinGroup' | 'SyncGroup' | 'Heartbeat';

const MOVE_REACTIONS = {
  COORDINATOR_LOAD_IN_PROGRESS: 'ask-again',
  COORDINATOR_NOT_AVAILABLE: 'find-coordinator',
  NOT_COORDINATOR: 'find-coordinator',
} as const;

const REFUSAL_REACTIONS = {
  GROUP_AUTHORIZATION_FAILED: 'wait-for-operator',
  FENCED_INSTANCE_ID: 'stay-out',
} as const;

/**
 * The reactions to the errors that Kafka may answer to each request.
 *
 * Source: Apache Kafka, the possible error codes of JoinGroupResponse, SyncGroupResponse and
 * HeartbeatResponse, and how ConsumerCoordinator reacts to them.
 */
const REACTIONS: Readonly<Record<GroupRequest, Partial<Record<ErrorName, Reaction>>>> = {
  JoinGroup: {
    ...MOVE_REACTIONS,
    ...REFUSAL_REACTIONS,
    MEMBER_ID_REQUIRED: 'take-member-id',
    UNKNOWN_MEMBER_ID: 'give-up-and-join-anew',
    ILLEGAL_GENERATION: 'give-up-and-rejoin',
    REBALANCE_IN_PROGRESS: 'rejoin',
    INCONSISTENT_GROUP_PROTOCOL: 'wait-for-operator',
    INVALID_GROUP_ID: 'wait-for-operator',
    INVALID_SESSION_TIMEOUT: 'wait-for-operator',
    GROUP_MAX_SIZE_REACHED: 'wait-for-operator',
    UNSUPPORTED_VERSION: 'wait-for-operator',
  },
  SyncGroup: {
    ...MOVE_REACTIONS,
    ...REFUSAL_REACTIONS,
    UNKNOWN_MEMBER_ID: 'give-up-and-join-anew',
    ILLEGAL_GENERATION: 'give-up-and-rejoin',
    REBALANCE_IN_PROGRESS: 'rejoin',
    INCONSISTENT_GROUP_PROTOCOL: 'rejoin',
  },
  Heartbeat: {
    ...MOVE_REACTIONS,
    ...REFUSAL_REACTIONS,
    UNKNOWN_MEMBER_ID: 'give-up-and-join-anew',
    ILLEGAL_GENERATION: 'give-up-and-rejoin',
    REBALANCE_IN_PROGRESS: 'rejoin',
  },
};

const BY_CODE = new Map(
  Object.entries(REACTIONS).map(([request, reactions]) => [
    request,
    new Map(
      Object.entries(reactions).map(([name, reaction]) => [
        ERROR[name as ErrorName] as number,
        reaction,
      ]),
    ),
  ]),
);

/** Returns the reaction to the error. Errors outside the table make the member look again. */
export function reactionTo(request: GroupRequest, errorCode: number): Reaction {
  return BY_CODE.get(request)?.get(errorCode) ?? 'find-coordinator';
}
