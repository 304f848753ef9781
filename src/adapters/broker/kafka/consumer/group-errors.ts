import { ERROR, type ErrorName } from '../requests/error-codes.ts';

/** What a member does after an error. Each leads on: to a next request, within a bounded time. */
export type Reaction =
  /** The coordinator needs a moment: ask it again. */
  | 'ask-again'
  /** Another node coordinates: find it and ask the same of it. The generation goes on. */
  | 'find-coordinator'
  /** Join again. What the member owns it goes on working at. */
  | 'rejoin'
  /** The answer names the member: join again under that name. */
  | 'take-member-id'
  /** The group went on without this member: give all partitions up and join again. */
  | 'give-up-and-rejoin'
  /** The group does not know this member: give all partitions up and join as a new one. */
  | 'give-up-and-join-anew'
  /** Somebody must change something. Look again after some seconds. */
  | 'wait-for-operator'
  /** Another process has taken this member's name: stay out for good. */
  | 'stay-out';

export type GroupRequest = 'JoinGroup' | 'SyncGroup' | 'Heartbeat';

const COORDINATOR_MOVES = {
  COORDINATOR_LOAD_IN_PROGRESS: 'ask-again',
  COORDINATOR_NOT_AVAILABLE: 'find-coordinator',
  NOT_COORDINATOR: 'find-coordinator',
} as const;

const NOT_ALLOWED = {
  GROUP_AUTHORIZATION_FAILED: 'wait-for-operator',
  FENCED_INSTANCE_ID: 'stay-out',
} as const;

/**
 * The errors that Kafka may answer to each request.
 *
 * Source: Apache Kafka, JoinGroupResponse, SyncGroupResponse and HeartbeatResponse: possible
 * error codes, and what its ConsumerCoordinator does about them.
 */
const REACTIONS: Readonly<Record<GroupRequest, Partial<Record<ErrorName, Reaction>>>> = {
  JoinGroup: {
    ...COORDINATOR_MOVES,
    ...NOT_ALLOWED,
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
    ...COORDINATOR_MOVES,
    ...NOT_ALLOWED,
    UNKNOWN_MEMBER_ID: 'give-up-and-join-anew',
    ILLEGAL_GENERATION: 'give-up-and-rejoin',
    REBALANCE_IN_PROGRESS: 'rejoin',
    INCONSISTENT_GROUP_PROTOCOL: 'rejoin',
  },
  Heartbeat: {
    ...COORDINATOR_MOVES,
    ...NOT_ALLOWED,
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

/** An error that the table does not have may be any node's trouble: another look at who coordinates decides. */
export function reactionTo(request: GroupRequest, errorCode: number): Reaction {
  return BY_CODE.get(request)?.get(errorCode) ?? 'find-coordinator';
}
