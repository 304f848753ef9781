import type { MemberView } from '../../../../service-layer/consumer-group.ts';
import { TroubleError } from '../../../../service-layer/errors.ts';
import type { ClusterView } from '../cluster-view.ts';
import { ERROR, errorName } from '../requests/error-codes.ts';
import { describeGroup } from '../requests/group-requests.ts';
import { decodeAssignment } from './subscription.ts';

/** The end of a member id. Kafka puts it behind the instance id, or else behind the client id. */
const UUID = /-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Asks the group's coordinator for the members and their partitions of the topic.
 * @param self `memberId`: the member that asks
 * @throws {TroubleError} the coordinator does not answer, or refuses
 */
export async function readMembers(
  view: ClusterView,
  self: { readonly topic: string; readonly group: string; readonly memberId: string },
): Promise<readonly MemberView[]> {
  const { topic, group, memberId: own } = self;
  const coordinator = await view.coordinatorOf(group);
  const { errorCode, members } = await view.askNode(coordinator, describeGroup(group));
  if (errorCode !== ERROR.NONE)
    throw new TroubleError(`DescribeGroups of ${group}: Kafka answers ${errorName(errorCode)}`);
  return members.map(({ memberId, clientId, host, assignment }) => ({
    instance: nameOf(memberId, clientId),
    host,
    partitions: partitionsIn(topic, assignment).toSorted((one, other) => one - other),
    isThis: memberId === own,
  }));
}

function nameOf(memberId: string, clientId: string): string {
  const name = memberId.replace(UUID, '');
  return name === clientId ? memberId : name;
}

/** Other clients may be in the group. Their assignments have a form of their own. */
function partitionsIn(topic: string, assignment: Buffer): readonly number[] {
  try {
    return decodeAssignment(topic, assignment);
  } catch (error) {
    if (error instanceof TroubleError) return [];
    throw error;
  }
}
