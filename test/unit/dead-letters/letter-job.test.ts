import { expect, it } from 'vitest';
import { LetterFollower } from '../../../src/dead-letters/letter-follower.ts';
import { letterJob } from '../../../src/dead-letters/letter-job.ts';
import { Job } from '../../../src/jobs/job.ts';
import { unreadAudit } from '../../support/audit.ts';
import { LetterTopic } from '../../support/letter-topic.ts';

it('a job of dead letters ends when it is cancelled while the log is silent', async () => {
  const topic = new LetterTopic();
  topic.offsetRanges = () => new Promise(() => {});
  const refuse = () => Promise.reject(new Error('The job goes on'));
  const broker = {
    read: topic.read,
    offsetRanges: topic.offsetRanges,
    publish: refuse,
    committedOffsets: refuse,
  };
  const config = { commandsTopic: 'commands', deadLettersTopic: LetterTopic.NAME, groupId: 'g' };
  const letters = new LetterFollower(topic, LetterTopic.NAME);
  const parts = { broker, config, letters, release: refuse, by: 'ada', audit: unreadAudit() };
  const wish = {
    action: 'discard',
    selection: { ids: [], all: true },
    edit: null,
    maxRedrives: 1,
  } as const;
  const job = new Job('dead-letters discard', 'ada', letterJob(parts, wish));
  job.cancel('Cancelled by grace');
  await job.ended;
  expect(job.view).toMatchObject({ state: 'cancelled', message: 'Cancelled by grace' });
});
