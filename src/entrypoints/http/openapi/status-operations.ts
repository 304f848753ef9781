import { z } from 'zod';
import { pauseReason } from '../../../lanes/pause-reason.ts';
import { lanePause, serviceStatus, statusHistory } from '../../../status/service-status.ts';
import { ROLES } from '../doors/access.ts';
import type { Content, JsonBody, Operation } from './operation.ts';

const asJson = (schema: z.ZodType, examples: Record<string, unknown>): Content => ({
  'application/json': { schema, examples },
});

const AT = '2027-01-15T09:30:00.000Z';
const paused = { by: 'the operator', at: AT, reason: 'wrong prices' };
const lane = {
  partition: 0,
  instance: 'allocation-1',
  state: 'working',
  problem: null,
  position: 120,
  committedOffset: 118,
  endOffset: 130,
  lagMessages: 10,
  lagSeconds: 0.2,
  lastReopening: { at: AT, cause: 'broker', message: 'No Kafka broker answers' },
  paused: null,
};
const status = {
  service: {
    version: '1.0.0',
    instance: 'allocation-1',
    startedAt: AT,
    broker: 'kafka',
    database: 'postgresql',
    topics: {
      commands: 'allocation.commands',
      events: 'allocation.events',
      deadLetters: 'allocation.dead-letters',
    },
  },
  caller: { name: 'the operator', role: 'operate' },
  isReady: true,
  problems: [],
  lanes: [lane, { ...lane, partition: 1, state: 'paused', paused }],
  members: [{ instance: 'allocation-1', host: '10.0.0.4', partitions: [0, 1], isThis: true }],
  areMembersKnown: true,
  deadLetters: { open: 3, oldestAt: AT, parked: 5 },
  recovery: { state: 'none', progress: null },
};

/** `GET /status`. */
export const GET_STATUS: Operation = {
  id: 'getStatus',
  tag: 'service',
  summary: 'How the service is',
  description:
    'The answer is at most a second old, and does not wait for a broker or a database that is ' +
    'silent. Null stands for what is not known.',
  query: z.object({}),
  answers: {
    200: {
      description: 'The service, its lanes and its group, as this instance sees them',
      content: asJson(
        serviceStatus.extend({
          caller: z
            .object({ name: z.string(), role: z.enum(ROLES) })
            .nullable()
            .describe('who asks; null: nobody needs a token'),
        }),
        { status },
      ),
    },
  },
  problems: ['unknownParameter'],
};

/** `GET /status/history`. */
export const GET_HISTORY: Operation = {
  id: 'getStatusHistory',
  tag: 'service',
  summary: 'Commands per second and lag of this instance over the last hour',
  query: z.object({}),
  answers: {
    200: {
      description: 'The points that this process has in memory',
      content: asJson(statusHistory, {
        history: { stepSeconds: 5, points: [{ at: AT, commandsPerSecond: 40, lagSeconds: 0.2 }] },
      }),
    },
  },
  problems: ['unknownParameter'],
};

const pauseBody = z.strictObject({ reason: pauseReason });
export type PauseBody = z.infer<typeof pauseBody>;
const json: JsonBody = { schema: pauseBody, examples: { pause: { reason: 'wrong prices' } } };

const laneParams = z.object({
  partition: z.string().describe('a partition of the commands topic'),
});
const laneAnswer = z.object({ partition: z.int().min(0), paused: lanePause });

/** `POST /lanes/:partition/pause`. */
export const PAUSE_LANE: Operation = {
  id: 'pauseLane',
  tag: 'service',
  summary: 'Pause a lane: it answers no further command until it is resumed',
  description:
    'The pause holds for every instance, and survives restarts. The lane of another instance may ' +
    'begin transactions for one more second.',
  params: laneParams,
  query: z.object({}),
  json,
  answers: {
    200: {
      description: 'The lane is paused',
      content: asJson(laneAnswer, { paused: { partition: 3, paused } }),
    },
  },
  problems: ['unknownParameter', 'unknownLane', 'longName'],
};

/** `POST /lanes/:partition/resume`. */
export const RESUME_LANE: Operation = {
  id: 'resumeLane',
  tag: 'service',
  summary: 'Resume a lane: its owner goes on within a second',
  params: laneParams,
  query: z.object({}),
  answers: {
    200: {
      description: 'The lane is not paused',
      content: asJson(laneAnswer, { resumed: { partition: 3, paused: null } }),
    },
  },
  problems: ['unknownParameter', 'unknownLane', 'longName'],
};
