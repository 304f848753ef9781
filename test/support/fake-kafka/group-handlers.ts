import { CODES } from './codes.ts';
import type { Handlers } from './model.ts';

const UNASSIGNED = { generation: -1, protocol: '', leader: '', members: [] };
const NO_OFFSET = -1;
const TRANSACTION = 1;

/** The handlers of the coordinator of a group, besides those of transactions. */
export const groupHandlers: Handlers<
  | 'FindCoordinator'
  | 'DescribeGroups'
  | 'JoinGroup'
  | 'SyncGroup'
  | 'Heartbeat'
  | 'LeaveGroup'
  | 'OffsetFetch'
> = {
  FindCoordinator: (model, { key, kind }, { refusal }) => {
    const errorCode = refusal();
    if (errorCode !== 0)
      return { throttleMs: 0, errorCode, errorMessage: null, nodeId: -1, host: '', port: -1 };
    const nodeId = model.coordinatorOf(kind === TRANSACTION ? 'transaction' : 'group', key);
    const port = model.ports.get(nodeId) ?? -1;
    return { throttleMs: 0, errorCode, errorMessage: null, nodeId, host: '127.0.0.1', port };
  },

  DescribeGroups: (model, { groups }, { node, refusal }) => ({
    throttleMs: 0,
    groups: groups.map((groupId) => {
      const elsewhere = model.coordinatorOf('group', groupId) === node ? 0 : CODES.NOT_COORDINATOR;
      const errorCode = refusal() || elsewhere;
      const group = model.group(groupId);
      const of = { clientId: 'member', clientHost: '/127.0.0.1', metadata: Buffer.from('mine') };
      const foreign = { ...of, memberId: 'member-1', assignment: Buffer.from('yours') };
      const members = [...group.members.keys()].map((memberId) => ({
        ...of,
        memberId,
        assignment: group.assignmentOf(memberId),
      }));
      return {
        errorCode,
        groupId,
        state: 'Stable',
        protocolType: 'consumer',
        protocol: 'test',
        members: errorCode === 0 ? [foreign, ...members] : [],
        operations: errorCode === 0 ? model.groupOperations : 0,
      };
    }),
  }),

  JoinGroup: async (
    model,
    { groupId, instanceId, protocols, ...request },
    { node, version, refusal },
  ) => {
    const group = model.group(groupId);
    const memberId = request.memberId || `member-${crypto.randomUUID()}`;
    const isNew = request.memberId === '';
    const elsewhere = model.coordinatorOf('group', groupId) === node ? 0 : CODES.NOT_COORDINATOR;
    const needsId = isNew && instanceId === null && version >= 4 ? CODES.MEMBER_ID_REQUIRED : 0;
    const fenced = isNew || instanceId === null ? 0 : group.refused(memberId, instanceId);
    const errorCode = refusal() || elsewhere || needsId || fenced;
    if (errorCode !== 0)
      return { throttleMs: 0, errorCode, ...UNASSIGNED, memberId: needsId ? memberId : '' };
    await group.join({ memberId, instanceId, metadata: protocols[0]?.metadata ?? null });
    const { generation, leader } = group;
    const members =
      memberId === leader
        ? [...group.members.values()].map(({ hasJoined: _, ...member }) => member)
        : [];
    return {
      throttleMs: 0,
      errorCode,
      generation,
      protocol: protocols[0]?.name ?? '',
      leader,
      memberId,
      members,
    };
  },

  SyncGroup: async (
    model,
    { groupId, memberId, instanceId, generation, assignments },
    { node, refusal },
  ) => {
    const group = model.group(groupId);
    const elsewhere = model.coordinatorOf('group', groupId) === node ? 0 : CODES.NOT_COORDINATOR;
    const errorCode = refusal() || elsewhere || group.refused(memberId, instanceId, generation);
    if (errorCode !== 0) return { throttleMs: 0, errorCode, assignment: null };
    if (group.isRebalancing)
      return { throttleMs: 0, errorCode: CODES.REBALANCE_IN_PROGRESS, assignment: null };
    return { throttleMs: 0, errorCode, assignment: await group.synchronise(memberId, assignments) };
  },

  Heartbeat: (model, { groupId, memberId, instanceId, generation }, { node, refusal }) => {
    const group = model.group(groupId);
    const elsewhere = model.coordinatorOf('group', groupId) === node ? 0 : CODES.NOT_COORDINATOR;
    const refused = refusal() || elsewhere || group.refused(memberId, instanceId, generation);
    return {
      throttleMs: 0,
      errorCode: refused || (group.isRebalancing ? CODES.REBALANCE_IN_PROGRESS : 0),
    };
  },

  LeaveGroup: (model, { groupId, memberId, members }, { node, refusal }) => {
    const group = model.group(groupId);
    const elsewhere = model.coordinatorOf('group', groupId) === node ? 0 : CODES.NOT_COORDINATOR;
    const errorCode = refusal() || elsewhere;
    const leaving = members.length > 0 ? members : [{ memberId, instanceId: null }];
    const left = leaving.map((each) => ({
      ...each,
      errorCode: group.refused(each.memberId, each.instanceId),
    }));
    if (errorCode === 0)
      for (const each of left) if (each.errorCode === 0) group.leave(each.memberId);
    return { throttleMs: 0, errorCode, members: errorCode === 0 ? left : [] };
  },

  OffsetFetch: (model, { groupId, topics }, { node, refusal }) => {
    const elsewhere = model.coordinatorOf('group', groupId) === node ? 0 : CODES.NOT_COORDINATOR;
    const all = [...model.topics].map(([name, { partitions }]) => ({
      name,
      partitions: [...partitions.keys()],
    }));
    return {
      throttleMs: 0,
      topics: (topics.length > 0 ? topics : all).map(({ name, partitions }) => ({
        name,
        partitions: partitions.map((index) => {
          const offset = model.offsets.get(`${groupId}/${name}/${index}`) ?? NO_OFFSET;
          const errorCode = refusal(`${name}/${index}`);
          return {
            index,
            offset: errorCode === 0 ? offset : NO_OFFSET,
            leaderEpoch: -1,
            metadata: '',
            errorCode,
          };
        }),
      })),
      errorCode: refusal('top') || elsewhere,
    };
  },
};
