import { z } from 'zod';
import { REPORTED_STATES } from '../entrypoints/lane-report.ts';
import { REOPENING_CAUSES } from '../entrypoints/reopening.ts';

const time = z.iso.datetime().describe('ISO 8601 in UTC');
const offset = z.int().min(0).nullable();

/** Who has paused a lane. */
export const lanePause = z
  .object({ by: z.string(), at: time, reason: z.string() })
  .nullable()
  .describe('who has paused the lane, when and why; null: nobody');

const laneStatus = z.object({
  partition: z.int().min(0),
  instance: z.string().nullable().describe('which instance has the lane; null: none, or unknown'),
  state: z
    .enum([...REPORTED_STATES, 'elsewhere', 'unassigned'])
    .describe('`elsewhere`: another instance has the lane, or nobody knows who has the lane'),
  problem: z.string().nullable().describe('why the lane does not work'),
  position: offset.describe('the offset of the next command to decide'),
  committedOffset: offset.describe('every answer to a command below this offset is published'),
  endOffset: offset.describe('where the partition ended up to 5 s ago'),
  lagMessages: offset.describe('how many offsets the lane has still to decide'),
  lagSeconds: z
    .number()
    .min(0)
    .nullable()
    .describe('the age of the oldest command without a published answer; 0: nothing waits'),
  lastReopening: z
    .object({ at: time, cause: z.enum(REOPENING_CAUSES), message: z.string() })
    .nullable()
    .describe('the last time that the lane stopped, or failed to open'),
  paused: lanePause,
});
export type LaneStatus = z.infer<typeof laneStatus>;

const member = z.object({
  instance: z.string(),
  host: z.string(),
  partitions: z.array(z.int().min(0)),
  isThis: z.boolean().describe('whether this is the instance that answers'),
});

/** What `GET /status` answers, besides the caller. */
export const serviceStatus = z.object({
  service: z.object({
    version: z.string(),
    instance: z.string(),
    startedAt: time,
    broker: z.enum(['kafka', 'embedded']),
    database: z.enum(['sqlite', 'postgresql']),
    topics: z.object({ commands: z.string(), events: z.string(), deadLetters: z.string() }),
  }),
  isReady: z.boolean(),
  problems: z.array(z.string()).describe('what keeps the service from answering commands'),
  lanes: z
    .array(laneStatus)
    .describe('each partition of the commands topic; only lanes of this instance have numbers'),
  members: z.array(member).describe('the instances of the group'),
  areMembersKnown: z
    .boolean()
    .describe('whether the log has told the members; false: only this instance is listed'),
  deadLetters: z
    .object({
      open: z.int().min(0).nullable(),
      oldestAt: time.nullable(),
      parked: z.int().min(0).nullable().describe('commands that are parked'),
    })
    .describe('null: not known'),
  recovery: z.object({
    state: z.enum(['none', 'running', 'failed']),
    progress: z.string().nullable(),
  }),
});
export type ServiceStatus = z.infer<typeof serviceStatus>;

/** What `GET /status/history` answers. */
export const statusHistory = z.object({
  stepSeconds: z.int(),
  points: z
    .array(
      z.object({
        at: time,
        commandsPerSecond: z.number().min(0),
        lagSeconds: z.number().min(0).nullable().describe('of the lane that lags most'),
      }),
    )
    .describe('the last hour of this instance at most, oldest first'),
});
export type StatusHistory = z.infer<typeof statusHistory>;
