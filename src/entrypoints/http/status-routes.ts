import type { FastifyReply, FastifyRequest } from 'fastify';
import type { LanePause } from '../../service-layer/lane-store.ts';
import type { ServiceStatus, StatusHistory } from '../../status/service-status.ts';
import {
  GET_HISTORY,
  GET_STATUS,
  PAUSE_LANE,
  type PauseBody,
  RESUME_LANE,
} from './openapi/status-operations.ts';
import { operatorName } from './operator-name.ts';
import { answerProblem, PROBLEMS } from './problem.ts';
import type { Route } from './routes.ts';

/** Matches a partition: a number that any database takes. */
const PARTITION = /^\d{1,9}$/;

export interface StatusOptions {
  /** Says how the service is. It never rejects, and answers within a second. */
  readonly status: () => Promise<ServiceStatus>;
  readonly history: () => StatusHistory;
  readonly lanes: {
    /** @returns null: there is no such lane */
    pause(partition: number, reason: string, by: string): Promise<LanePause | null>;
    /** @returns false: there is no such lane */
    resume(partition: number, by: string): Promise<boolean>;
  };
}

/** The routes that say how the service is, and pause and resume its lanes. */
export function statusRoutes({ status, history, lanes }: StatusOptions): readonly Route[] {
  return [
    {
      method: 'GET',
      url: '/status',
      access: 'read',
      operation: GET_STATUS,
      handler: async (request) => ({ ...(await status()), caller: callerOf(request) }),
    },
    {
      method: 'GET',
      url: '/status/history',
      access: 'read',
      operation: GET_HISTORY,
      handler: history,
    },
    {
      method: 'POST',
      url: '/lanes/:partition/pause',
      access: 'operate',
      operation: PAUSE_LANE,
      handler: async (request, reply) => {
        const partition = partitionIn(request);
        if (partition === null) return refuse(request, reply);
        const { reason } = request.body as PauseBody;
        const paused = await lanes.pause(partition, reason, operatorName(request));
        return paused ? { partition, paused } : refuse(request, reply);
      },
    },
    {
      method: 'POST',
      url: '/lanes/:partition/resume',
      access: 'operate',
      operation: RESUME_LANE,
      handler: async (request, reply) => {
        const partition = partitionIn(request);
        if (partition === null) return refuse(request, reply);
        const isThere = await lanes.resume(partition, operatorName(request));
        return isThere ? { partition, paused: null } : refuse(request, reply);
      },
    },
  ];
}

/** Returns who asks. Null: nobody needs a token. */
function callerOf({ caller, callerRole }: FastifyRequest) {
  return caller === null ? null : { name: caller, role: callerRole };
}

type LaneRequest = FastifyRequest<{ Params: Record<string, string> }>;

function partitionIn({ params }: LaneRequest): number | null {
  const { partition = '' } = params;
  return PARTITION.test(partition) ? Number(partition) : null;
}

function refuse({ params }: LaneRequest, reply: FastifyReply): FastifyReply {
  return answerProblem(reply, PROBLEMS.unknownLane(params.partition ?? ''));
}
