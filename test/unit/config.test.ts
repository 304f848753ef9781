import { describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../../src/config.ts';

describe('the settings', () => {
  it('have the defaults of the contract', () => {
    expect(readConfig({})).toEqual({
      kafkaBrokers: null,
      groupId: 'allocation',
      instanceId: null,
      commandsTopic: 'allocation.commands',
      eventsTopic: 'allocation.events',
      deadLettersTopic: 'allocation.dead-letters',
      topicPartitions: 4,
      createTopics: true,
      databaseUrl: 'sqlite:///./cosmicpython.db',
      databaseLimits: { poolSize: 10, timeoutMs: 6_000 },
      autoRecover: false,
      parkingLimits: { ofProduct: 1_000, inAll: 20_000 },
      httpHost: '127.0.0.1',
      httpPort: 8080,
      logLevel: 'info',
    });
  });

  it('are read from the environment', () => {
    const config = readConfig({
      KAFKA_BROKERS: 'one:9092, [::1]:9093',
      TOPIC_PARTITIONS: '12',
      KAFKA_CREATE_TOPICS: 'false',
      HTTP_PORT: '0',
      DATABASE_URL: 'postgresql://user:password@host:5432/name',
    });
    expect(config).toMatchObject({
      kafkaBrokers: ['one:9092', '[::1]:9093'],
      topicPartitions: 12,
      createTopics: false,
      httpPort: 0,
    });
    expect(config.databaseUrl).toBe('postgresql://user:password@host:5432/name');
  });

  it('cannot be changed', () => {
    expect(Object.isFrozen(readConfig({}))).toBe(true);
  });

  it('take an empty variable for one that is not set, and ignore what they do not know', () => {
    expect(readConfig({ KAFKA_BROKERS: '', HTTP_PORT: '', PATH: '/bin' })).toEqual(readConfig({}));
  });

  it.each([
    'sqlite:///./file.db',
    'sqlite:////absolute/file.db',
    'sqlite:///:memory:',
    'postgres://host/name',
  ])('take %s', (databaseUrl) => {
    expect(readConfig({ DATABASE_URL: databaseUrl }).databaseUrl).toBe(databaseUrl);
  });

  it.each([
    ['KAFKA_BROKERS', 'localhost'],
    ['KAFKA_BROKERS', 'one:9092,,two:9092'],
    ['KAFKA_BROKERS', 'kafka://one:9092/'],
    ['KAFKA_GROUP_ID', 'x'.repeat(201)],
    ['COMMANDS_TOPIC', 'with space'],
    ['EVENTS_TOPIC', 'x'.repeat(250)],
    ['DEAD_LETTERS_TOPIC', 'slash/ed'],
    ['TOPIC_PARTITIONS', '0'],
    ['TOPIC_PARTITIONS', '1.5'],
    ['TOPIC_PARTITIONS', '1001'],
    ['KAFKA_CREATE_TOPICS', 'yes'],
    ['DATABASE_POOL_SIZE', '1'],
    ['DATABASE_TIMEOUT_MS', '2999'],
    ['HTTP_PORT', '65536'],
    ['HTTP_PORT', '-1'],
    ['HTTP_PORT', 'http'],
    ['LOG_LEVEL', 'loud'],
  ])('name the variable that is wrong: %s=%s', (name, value) => {
    expect(() => readConfig({ [name]: value })).toThrow(ConfigError);
    expect(() => readConfig({ [name]: value })).toThrow(new RegExp(`^${name}=.* is not valid: `));
  });

  it.each([
    ['DATABASE_URL', 'mysql://user:secret@host/name'],
    ['DATABASE_URL', 'file.db'],
    ['KAFKA_BROKERS', 'user:secret@host:9092'],
    ['KAFKA_BROKERS', 'secret@host:9092'],
    ['COMMANDS_TOPIC', 'postgresql://user:secret@host/name'],
    ['LOG_LEVEL', 'user:secret@host'],
    ['HTTP_HOST', 'user:secret@host'],
  ])('name %s, and do not quote what may hold a password: %s', (name, value) => {
    expect(() => readConfig({ [name]: value })).toThrow(new RegExp(`^${name} is not valid: `));
  });

  it('want three different topics', () => {
    expect(() => readConfig({ EVENTS_TOPIC: 'same', DEAD_LETTERS_TOPIC: 'same' })).toThrow(
      /EVENTS_TOPIC and DEAD_LETTERS_TOPIC/,
    );
  });
});
