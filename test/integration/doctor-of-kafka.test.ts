// @module-tag db

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { bootstrap } from '../../src/bootstrap.ts';
import { readConfig } from '../../src/config.ts';
import { DoctorRun } from '../support/doctor-run.ts';
import { eventually } from '../support/eventually.ts';
import { FakeKafka } from '../support/fake-kafka/cluster.ts';
import { ERRORS } from '../support/fake-kafka/error-codes.ts';
import { captureLog, fakeSasl, PASSWORD } from '../support/fake-kafka/secure-edge.ts';

vi.setConfig({ testTimeout: 60_000 });

const TOPICS = ['allocation.commands', 'allocation.events', 'allocation.dead-letters'];
const HEALTHY = {
  'cleanup.policy': 'delete',
  'max.message.bytes': '2228224',
  'min.insync.replicas': '2',
  'retention.bytes': '-1',
  'retention.ms': '-1',
  'unclean.leader.election.enable': 'false',
};

let doctor: DoctorRun;

beforeEach(async () => {
  doctor = await DoctorRun.create();
});

afterEach(() => doctor[Symbol.asyncDispose]());

describe('the doctor of a service with Kafka', () => {
  let kafka: FakeKafka;

  beforeEach(async () => {
    kafka = await FakeKafka.start({ nodes: 3, security: { sasl: fakeSasl() } });
    for (const topic of TOPICS) kafka.model.addTopic(topic, [1, 2, 3], HEALTHY);
    kafka.model.brokerSettings.set('offsets.retention.minutes', '10080');
    Object.assign(doctor.environment, {
      KAFKA_BROKERS: kafka.brokers.slice(0, 2).join(','),
      KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT',
      KAFKA_SASL_MECHANISM: 'PLAIN',
      KAFKA_SASL_USERNAME: 'alice',
      KAFKA_SASL_PASSWORD: PASSWORD,
    });
    await doctor.migrate();
  });

  afterEach(() => kafka.close());

  const settingsOf = (topic: string) => kafka.model.topics.get(topic)?.settings;

  it('finds nothing where all is well, and reaches brokers that no setting names', async () => {
    const { code, reports, findings } = await doctor.examine();
    expect([code, findings]).toEqual([0, []]);
    const ok = reports.filter(({ state }) => state === 'ok');
    expect(ok.map(({ check, subject }) => `${check} ${subject}`)).toEqual(
      expect.arrayContaining([
        ...kafka.brokers.map((broker) => `connection Kafka at ${broker}`),
        ...TOPICS.map((topic) => `topic ${topic}`),
        ...TOPICS.map((topic) => `permissions topic ${topic}`),
        'permissions group allocation',
        'permissions transactional ids allocation-…',
        'topic committed offsets',
      ]),
    );
    expect(reports).toContainEqual(expect.objectContaining({ check: 'clock', state: 'skipped' }));
  });

  it('finds what the settings of the topics risk', async () => {
    settingsOf('allocation.events')?.set('retention.ms', '604800000');
    settingsOf('allocation.commands')?.set('cleanup.policy', 'compact');
    kafka.model.brokerSettings.set('offsets.retention.minutes', '60');
    const { code, findings } = await doctor.examine();
    expect(code).toBe(1);
    expect(findings).toMatchObject([
      { subject: 'allocation.commands', problem: 'cleanup.policy=compact' },
      {
        subject: 'allocation.events',
        problem: expect.stringContaining('retention.ms=604800000'),
        remedy: expect.stringMatching(/^kafka-configs\.sh .* --command-config admin\.properties /),
      },
      { subject: 'committed offsets', problem: 'offsets.retention.minutes=60' },
    ]);
  });

  it('examines Kafka although the database is in memory', async () => {
    const { findings, reports } = await doctor.examine({ DATABASE_URL: 'sqlite:///:memory:' });
    expect(findings).toMatchObject([{ subject: 'the SQLite database :memory:' }]);
    expect(reports).toContainEqual(
      expect.objectContaining({ check: 'topic', subject: 'allocation.events', state: 'ok' }),
    );
  });

  const OFFSETS = '__consumer_offsets';

  it('finds topics of Kafka with fewer replicas than brokers', async () => {
    const alone = { ...HEALTHY, 'min.insync.replicas': '1' };
    kafka.model.addTopic(OFFSETS, [1], alone).replicas = 1;
    const { code, findings, reports } = await doctor.examine();
    expect([code, findings]).toEqual([
      1,
      [
        expect.objectContaining({
          subject: OFFSETS,
          problem: 'replicas: 1, where 3 are possible',
          remedy: expect.stringContaining(`plan 3 replicas of ${OFFSETS}`),
        }),
      ],
    ]);
    expect(reports).toContainEqual(
      expect.objectContaining({ subject: '__transaction_state', state: 'skipped' }),
    );
  });

  it('may keep the topics of Kafka as Kafka does: compacted, and on all brokers', async () => {
    kafka.model.addTopic(OFFSETS, [1], { ...HEALTHY, 'cleanup.policy': 'compact' });
    const { code, reports } = await doctor.examine();
    expect(code).toBe(0);
    expect(reports).toContainEqual({ check: 'topic', subject: OFFSETS, state: 'ok' });
  });

  it('skips topics of Kafka that it must not see', async () => {
    const error = ERRORS.TOPIC_AUTHORIZATION_FAILED;
    kafka.on('Metadata', { error, at: OFFSETS }, { isLasting: true });
    const { code, reports } = await doctor.examine();
    expect(code).toBe(0);
    expect(reports).toContainEqual(
      expect.objectContaining({
        subject: OFFSETS,
        state: 'skipped',
        why: expect.stringContaining('Describe'),
      }),
    );
  });

  it('finds missing permissions, with the commands that grant them', async () => {
    const commands = kafka.model.topics.get('allocation.commands');
    if (commands) commands.operations = 1 << 3;
    kafka.model.groupOperations = 0;
    const { code, findings } = await doctor.examine();
    expect(code).toBe(1);
    expect(findings.map(({ check, problem }) => `${check}: ${problem}`)).toEqual([
      'permissions: User:alice lacks Write on the topic allocation.commands',
      'permissions: User:alice lacks DescribeConfigs on the topic allocation.commands',
      'permissions: User:alice lacks Read on the group allocation',
    ]);
    for (const { remedy } of findings) expect(remedy).toMatch(/^kafka-acls\.sh .*User:alice/);
  });

  it('skips settings that it must not read, and still counts replicas', async () => {
    const error = ERRORS.TOPIC_AUTHORIZATION_FAILED;
    kafka.on('DescribeConfigs', { error, at: 'allocation.events' }, { isLasting: true });
    const events = kafka.model.topics.get('allocation.events');
    if (events) events.replicas = 1;
    const { findings, reports } = await doctor.examine();
    expect(findings).toMatchObject([{ problem: 'replicas: 1, where 3 are possible' }]);
    expect(reports).toContainEqual(
      expect.objectContaining({ subject: 'allocation.events', state: 'skipped' }),
    );
  });

  it('finds a missing topic, and creates none', async () => {
    kafka.model.topics.delete('allocation.events');
    const { code, findings } = await doctor.examine({ KAFKA_CREATE_TOPICS: 'false' });
    expect([code, findings]).toEqual([
      1,
      [
        expect.objectContaining({
          subject: 'allocation.events',
          problem: 'the topic does not exist',
          remedy: expect.stringContaining('KAFKA_CREATE_TOPICS=true'),
        }),
      ],
    ]);
    expect(kafka.requests('CreateTopics')).toEqual([]);
  });

  it('skips a missing topic that the next start creates', async () => {
    kafka.model.topics.delete('allocation.events');
    const { code, findings, reports } = await doctor.examine();
    expect([code, findings]).toEqual([0, []]);
    expect(reports).toContainEqual(
      expect.objectContaining({ check: 'topic', subject: 'allocation.events', state: 'skipped' }),
    );
  });

  it('examines the audit topic, and what the service may do there', async () => {
    const AUDIT_TOPIC = 'allocation.audit';
    kafka.model.addTopic(AUDIT_TOPIC, [1, 2, 3], HEALTHY);
    const audit = kafka.model.topics.get(AUDIT_TOPIC);
    if (audit) audit.operations = 0;
    settingsOf(AUDIT_TOPIC)?.set('cleanup.policy', 'compact');
    const { findings } = await doctor.examine({ AUDIT_TOPIC });
    expect(findings.map(({ check, problem }) => `${check}: ${problem}`)).toEqual([
      'permissions: User:alice lacks Read on the topic allocation.audit',
      'permissions: User:alice lacks Write on the topic allocation.audit',
      'permissions: User:alice lacks DescribeConfigs on the topic allocation.audit',
      'topic: cleanup.policy=compact',
    ]);
    expect(findings[0]?.risk).toContain('GET /audit');
  });

  it('skips permissions that Kafka does not tell', async () => {
    kafka.model.groupOperations = -(2 ** 31);
    const { code, reports } = await doctor.examine();
    expect(code).toBe(0);
    expect(reports).toContainEqual(
      expect.objectContaining({ subject: 'group allocation', state: 'skipped' }),
    );
  });

  it('says which broker refuses the password, and shows no password', async () => {
    const { code, stdout, stderr, findings, reports } = await doctor.examine({
      KAFKA_SASL_PASSWORD: 'a-wrong-word',
    });
    expect(code).toBe(1);
    expect(findings).toMatchObject(
      kafka.brokers.slice(0, 2).map((broker) => ({
        subject: `Kafka at ${broker}`,
        problem: expect.stringContaining('refuses the user alice'),
        remedy: expect.stringContaining('Check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD'),
      })),
    );
    expect(reports).toContainEqual(expect.objectContaining({ check: 'topic', state: 'skipped' }));
    expect(stdout + stderr).not.toMatch(/a-wrong-word|pass-word-of/);
  });

  it('goes on with the brokers that answer', async () => {
    const [broker] = kafka.brokers;
    const { findings, reports } = await doctor.examine({ KAFKA_BROKERS: `127.0.0.1:1,${broker}` });
    expect(findings).toMatchObject([
      { subject: 'Kafka at 127.0.0.1:1', remedy: expect.stringContaining('KAFKA_BROKERS') },
    ]);
    // Two of them are topics of Kafka itself.
    expect(reports.filter(({ check }) => check === 'topic')).toHaveLength(6);
  });

  it('warns of the same at a start, which does not wait for that', async () => {
    settingsOf('allocation.events')?.set('retention.bytes', '1000');
    const { log, text } = captureLog();
    const config = readConfig({ ...doctor.environment, HTTP_PORT: '0' });
    const service = await bootstrap(config, log);
    try {
      const starting = service.start();
      await eventually(() =>
        expect(text()).toMatch(
          /"level":40.*The topic allocation\.events: retention\.bytes=1000 .*Risk: .*Remedy: /,
        ),
      );
      await starting;
    } finally {
      await service.close();
    }
    const warnings = text()
      .split('\n')
      .filter((line) => line.includes('Risk: '));
    expect(warnings).toHaveLength(1);
  });

  it('ends within the time of one check if brokers say nothing', { timeout: 60_000 }, async () => {
    kafka.on('Metadata', { silence: 'before' }, { isLasting: true });
    const { code, findings } = await doctor.examine();
    expect(code).toBe(1);
    expect(findings.map(({ problem }) => problem)).toEqual([
      expect.stringContaining('did not answer within'),
      expect.stringContaining('did not answer within'),
    ]);
  });
});
