import { TroubleError } from '../../../../service-layer/errors.ts';
import type { KafkaOptions } from '../client.ts';
import { ERROR, type ErrorName, errorName } from '../requests/error-codes.ts';
import { errorChain } from './error-chain.ts';

/** What a request is about, as far as permissions go. */
export interface RequestSubject {
  readonly apiName: string;
  readonly topics?: readonly string[];
  readonly group?: string;
  readonly transactionalId?: string;
}

/** Kafka refuses a request, because the client lacks a permission. The message names it. */
export class AccessDeniedError extends TroubleError {}

/** An operation of Kafka's access control lists. */
export type AclOperation =
  | 'Create'
  | 'Describe'
  | 'DescribeConfigs'
  | 'IdempotentWrite'
  | 'Read'
  | 'Write';

/**
 * The permission whose lack causes each error of authorization, by request.
 *
 * Source: Apache Kafka, "Operations and Resources on Protocols", and KafkaApis.
 */
const PERMISSIONS = {
  TOPIC_AUTHORIZATION_FAILED: {
    AddPartitionsToTxn: 'Write',
    CreateTopics: 'Create',
    DescribeConfigs: 'DescribeConfigs',
    Fetch: 'Read',
    ListOffsets: 'Describe',
    Metadata: 'Describe',
    OffsetFetch: 'Describe',
    OffsetForLeaderEpoch: 'Describe',
    Produce: 'Write',
    TxnOffsetCommit: 'Read',
  },
  GROUP_AUTHORIZATION_FAILED: {
    AddOffsetsToTxn: 'Read',
    DescribeGroups: 'Describe',
    FindCoordinator: 'Describe',
    Heartbeat: 'Read',
    JoinGroup: 'Read',
    LeaveGroup: 'Read',
    OffsetFetch: 'Describe',
    SyncGroup: 'Read',
    TxnOffsetCommit: 'Read',
  },
  CLUSTER_AUTHORIZATION_FAILED: {
    CreateTopics: 'Create',
    InitProducerId: 'IdempotentWrite',
    Produce: 'IdempotentWrite',
  },
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: {
    AddOffsetsToTxn: 'Write',
    AddPartitionsToTxn: 'Write',
    EndTxn: 'Write',
    FindCoordinator: 'Describe',
    InitProducerId: 'Write',
    Produce: 'Write',
    TxnOffsetCommit: 'Write',
  },
} as const satisfies Partial<Record<ErrorName, Readonly<Record<string, AclOperation>>>>;

type Denial = keyof typeof PERMISSIONS;

const DENIALS = Object.keys(PERMISSIONS) as readonly Denial[];
const SAFE_IN_SHELL = /^[\w.,:=@/+-]+$/;

/** Tells whether Kafka answers that the client lacks a permission. */
export function isDenial(errorCode: number): boolean {
  return DENIALS.some((name) => ERROR[name] === errorCode);
}

/**
 * Names the error in an answer. The text about a missing permission also says who lacks it, and
 * which command grants it.
 */
export function describeAnswer(
  errorCode: number,
  subject: RequestSubject,
  options: KafkaOptions,
): string {
  const denial = DENIALS.find((name) => ERROR[name] === errorCode);
  return denial ? describeDenial(denial, subject, options) : errorName(errorCode);
}

/** Returns the advice with which `describeAnswer` ends. Null: there is none. */
export function grantAdvice(
  errorCode: number,
  subject: RequestSubject,
  options: KafkaOptions,
): string | null {
  const denial = DENIALS.find((name) => ERROR[name] === errorCode);
  return denial ? (describeGrant(denial, subject, options)?.advice ?? null) : null;
}

/**
 * Waits for kafkajs's answer to a request.
 * @throws {Error} the client lacks a permission; the message names it
 */
export async function permitted<T>(
  answer: Promise<T>,
  subject: RequestSubject,
  options: KafkaOptions,
): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    const denial = denialIn(cause, subject);
    if (denial === null) throw cause;
    throw new Error(describeDenial(denial, subject, options), { cause });
  }
}

function denialIn(error: unknown, { apiName }: RequestSubject): Denial | null {
  for (const { type } of errorChain(error)) {
    const denial = DENIALS.find((name) => name === type);
    if (denial) return denial;
    // If Kafka refuses one topic of a request, it answers this about the other topics.
    if (apiName === 'AddPartitionsToTxn' && type === 'OPERATION_NOT_ATTEMPTED')
      return 'TOPIC_AUTHORIZATION_FAILED';
  }
  return null;
}

function describeDenial(denial: Denial, subject: RequestSubject, options: KafkaOptions): string {
  const grant = describeGrant(denial, subject, options);
  const refused = `${subject.apiName} is refused (${denial}): ${principalOf(options)} lacks`;
  return grant ? `${refused} ${grant.what}. ${grant.advice}` : `${refused} a permission`;
}

/** Says what is missing, and how to grant it. Null: the table does not know the request. */
function describeGrant(denial: Denial, subject: RequestSubject, options: KafkaOptions) {
  const operations: Readonly<Record<string, AclOperation>> = PERMISSIONS[denial];
  const operation = operations[subject.apiName];
  const resource = resourceOf(denial, subject);
  if (operation === undefined || resource === null) return null;
  return {
    what: `${operation} on ${resource.name}`,
    advice: `Grant it: ${grantCommand(operation, resource.options, options)}`,
  };
}

/** Returns the name that Kafka gives the client. A broker that maps names may use another. */
export function principalOf({ security }: KafkaOptions): string {
  return security?.principal ?? 'User:ANONYMOUS';
}

/**
 * Returns the command that grants the operation to the client.
 * @param resource the options that name the resource, such as `--topic` and a name
 */
export function grantCommand(
  operation: AclOperation,
  resource: readonly string[],
  options: KafkaOptions,
): string {
  const command = [
    'kafka-acls.sh',
    ...['--bootstrap-server', options.brokers.join(',')],
    ...['--command-config', 'admin.properties'],
    ...['--add', '--allow-principal', principalOf(options), '--operation', operation],
    ...resource,
  ];
  return command.map(quoted).join(' ');
}

function resourceOf(denial: Denial, { topics = [], group, transactionalId }: RequestSubject) {
  switch (denial) {
    case 'TOPIC_AUTHORIZATION_FAILED':
      return topics.length === 0
        ? null
        : {
            name: `the topic ${topics.join(' or ')}`,
            options: topics.flatMap((topic) => ['--topic', topic]),
          };
    case 'GROUP_AUTHORIZATION_FAILED':
      return group === undefined
        ? null
        : { name: `the group ${group}`, options: ['--group', group] };
    case 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED':
      return transactionalId === undefined
        ? null
        : {
            name: `the transactional id ${transactionalId}`,
            options: ['--transactional-id', transactionalId],
          };
    case 'CLUSTER_AUTHORIZATION_FAILED':
      return { name: 'the cluster', options: ['--cluster'] };
    default:
      return denial satisfies never;
  }
}

function quoted(word: string): string {
  return SAFE_IN_SHELL.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
