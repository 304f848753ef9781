import { describe, expect, it } from 'vitest';
import { completeDatabaseUrl, readConfig, unknownVariables } from '../../src/config.ts';
import { ConfigError } from '../../src/config-error.ts';

describe('the settings', () => {
  it('have the defaults of the contract', () => {
    expect(readConfig({})).toEqual({
      kafkaBrokers: null,
      kafkaSecurity: null,
      groupId: 'allocation',
      instanceId: null,
      commandsTopic: 'allocation.commands',
      eventsTopic: 'allocation.events',
      deadLettersTopic: 'allocation.dead-letters',
      auditTopic: null,
      topicPartitions: 4,
      createTopics: true,
      databaseUrl: 'sqlite:///./cosmicpython.db',
      databaseUrlFile: null,
      postgresTls: {},
      databaseLimits: { poolSize: 10, timeoutMs: 6_000 },
      autoRecover: false,
      parkingLimits: { ofProduct: 1_000, inAll: 20_000 },
      strictCommands: false,
      httpHost: '127.0.0.1',
      httpPort: 8080,
      httpDoors: {
        isOpen: false,
        tokensFile: null,
        oidc: null,
        tls: null,
        publicUrls: [],
        requestsPerSecond: 1_000,
        metricsPort: null,
      },
      tracing: null,
      logLevel: 'info',
    });
  });

  it('are read from the environment', () => {
    const config = readConfig({
      KAFKA_BROKERS: 'one:9092, [::1]:9093',
      TOPIC_PARTITIONS: '12',
      KAFKA_CREATE_TOPICS: 'false',
      STRICT_COMMANDS: 'true',
      HTTP_PORT: '0',
      DATABASE_URL: 'postgresql://user:password@host:5432/name',
    });
    expect(config).toMatchObject({
      kafkaBrokers: ['one:9092', '[::1]:9093'],
      topicPartitions: 12,
      createTopics: false,
      strictCommands: true,
      httpPort: 0,
    });
    expect(config.databaseUrl).toBe('postgresql://user:password@host:5432/name');
  });

  it('add what PGSSL… says to a database URL of PostgreSQL', () => {
    const config = readConfig({
      DATABASE_URL: 'postgresql://user@host/name?sslmode=verify-full',
      PGSSLMODE: 'require',
      PGSSLROOTCERT: '/ca.pem',
      PGSSLCERT: '/client.pem',
      PGSSLKEY: '/client.key',
    });
    const { searchParams } = new URL(config.databaseUrl);
    expect(Object.fromEntries(searchParams)).toEqual({
      sslmode: 'verify-full',
      sslrootcert: '/ca.pem',
      sslcert: '/client.pem',
      sslkey: '/client.key',
    });
    expect(completeDatabaseUrl('postgresql://other/name?sslcert=/x', config)).toBe(
      'postgresql://other/name?sslcert=%2Fx&sslmode=require&sslrootcert=%2Fca.pem' +
        '&sslkey=%2Fclient.key',
    );
  });

  it('are frozen', () => {
    expect(Object.isFrozen(readConfig({}))).toBe(true);
  });

  it('treat an empty variable as absent, and ignore unknown variables', () => {
    expect(readConfig({ KAFKA_BROKERS: '', HTTP_PORT: '', PATH: '/bin' })).toEqual(readConfig({}));
  });

  it.each([
    'sqlite:///./file.db',
    'sqlite:////absolute/file.db',
    'sqlite:///:memory:',
    'postgres://host/name',
  ])('accept the database URL %s', (databaseUrl) => {
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
    ['STRICT_COMMANDS', '1'],
    ['DATABASE_POOL_SIZE', '1'],
    ['DATABASE_TIMEOUT_MS', '2999'],
    ['HTTP_PORT', '65536'],
    ['HTTP_PORT', '-1'],
    ['HTTP_PORT', 'http'],
    ['HTTP_AUTH', 'off'],
    ['HTTP_RATE_LIMIT', '0'],
    ['METRICS_PORT', '65536'],
    ['HTTP_PUBLIC_URL', 'stock.test'],
    ['HTTP_PUBLIC_URL', 'https://stock.test/api'],
    ['HTTP_PUBLIC_URL', 'https://stock.test,ftp://stock.test'],
    ['HTTP_OIDC_ISSUER', 'http://issuer.test'],
    ['HTTP_OIDC_ISSUER', 'https://issuer.test?x=1'],
    ['LOG_LEVEL', 'loud'],
  ])('reject %s=%s and name the variable', (name, value) => {
    expect(() => readConfig({ [name]: value })).toThrow(ConfigError);
    expect(() => readConfig({ [name]: value })).toThrow(new RegExp(`^${name}=.* is not valid: `));
  });

  it('refuse a password in the URL of the issuer, and do not show it', () => {
    const read = () => readConfig({ HTTP_OIDC_ISSUER: 'https://:secret@issuer.test' });
    expect(read).toThrow(/^HTTP_OIDC_ISSUER is not valid: (?!.*secret)/);
  });

  it.each([
    ['DATABASE_URL', 'mysql://user:secret@host/name'],
    ['DATABASE_URL', 'file.db'],
    ['KAFKA_BROKERS', 'user:secret@host:9092'],
    ['KAFKA_BROKERS', 'secret@host:9092'],
    ['COMMANDS_TOPIC', 'postgresql://user:secret@host/name'],
    ['LOG_LEVEL', 'user:secret@host'],
    ['HTTP_HOST', 'user:secret@host'],
  ])('hide the possible password in %s=%s', (name, value) => {
    expect(() => readConfig({ [name]: value })).toThrow(new RegExp(`^${name} is not valid: `));
  });

  it.each([
    [{ HTTP_OIDC_ISSUER: 'https://issuer.test' }, 'set HTTP_OIDC_AUDIENCE too'],
    [{ HTTP_OIDC_AUDIENCE: 'allocation' }, 'set HTTP_OIDC_ISSUER too'],
    [{ HTTP_TLS_CERT_FILE: 'cert.pem' }, 'set HTTP_TLS_KEY_FILE too'],
    [{ HTTP_TLS_KEY_FILE: 'key.pem' }, 'set HTTP_TLS_CERT_FILE too'],
    [{ HTTP_AUTH: 'none', HTTP_TOKENS_FILE: 'tokens.json' }, 'HTTP_AUTH=none'],
    [{ METRICS_PORT: '8080' }, 'two different ports'],
  ])('reject the doors %o', (environment, message) => {
    expect(() => readConfig(environment)).toThrow(ConfigError);
    expect(() => readConfig(environment)).toThrow(message);
  });

  it('know the issuer on a loopback address without TLS, and several public URLs', () => {
    const { oidc, publicUrls } = readConfig({
      HTTP_OIDC_ISSUER: 'http://127.0.0.1:9000/realms/shop',
      HTTP_OIDC_AUDIENCE: 'allocation',
      HTTP_PUBLIC_URL: 'https://stock.test, http://allocation:8080/',
    }).httpDoors;
    expect(oidc).toEqual({
      issuer: 'http://127.0.0.1:9000/realms/shop',
      audience: 'allocation',
      rolesClaim: 'roles',
    });
    expect(publicUrls.map(({ origin }) => origin)).toEqual([
      'https://stock.test',
      'http://allocation:8080',
    ]);
  });

  it('reject one name for two topics', () => {
    expect(() => readConfig({ EVENTS_TOPIC: 'same', DEAD_LETTERS_TOPIC: 'same' })).toThrow(
      /EVENTS_TOPIC and DEAD_LETTERS_TOPIC/,
    );
    expect(() => readConfig({ AUDIT_TOPIC: 'allocation.events' })).toThrow(
      'AUDIT_TOPIC=allocation.events must differ from COMMANDS_TOPIC',
    );
  });
});

describe('a variable that is no setting', () => {
  it.each([
    ['HTTPPORT', 'HTTP_PORT'],
    ['http_port', 'HTTP_PORT'],
    ['HTTP-HOST', 'HTTP_HOST'],
    ['KAFKA_BROKER', 'KAFKA_BROKERS'],
    ['KAFAK_BROKERS', 'KAFKA_BROKERS'],
    ['KAFKA_GROUPID', 'KAFKA_GROUP_ID'],
    ['DATABSE_URL', 'DATABASE_URL'],
    ['PARKED_LIMITS', 'PARKED_LIMIT'],
    ['PARKED_TOTAL_LIMITS', 'PARKED_TOTAL_LIMIT'],
    ['TOPIC_PARTITION', 'TOPIC_PARTITIONS'],
    ['EVENT_TOPIC', 'EVENTS_TOPIC'],
    ['AUTORECOVER', 'AUTO_RECOVER'],
    ['LOGLEVEL', 'LOG_LEVEL'],
    ['PGSSL_MODE', 'PGSSLMODE'],
  ])('is named with the nearest setting: %s, %s', (name, nearest) => {
    expect(unknownVariables({ [name]: 'x' })).toEqual([{ name, nearest }]);
  });

  it.each([
    'PATH',
    'HOST',
    'PORT',
    'HTTP_PROXY',
    'http_proxy',
    'HTTPS_PROXY',
    'DATABASE_PORT',
    'DATABASE_NAME',
    'DB_URL',
    'KAFKA_PORT',
    'KAFKA_SERVICE_HOST',
    'KAFKA_HEAP_OPTS',
    'LOG_FILE',
    'NODE_ENV',
    'NO_COLOR',
    'PGHOST',
    'PGPASSWORD',
    'PGSSLCRL',
    'PGSSLCERTMODE',
    'KUBERNETES_SERVICE_PORT',
  ])('is left alone when it looks like no setting: %s', (name) => {
    expect(unknownVariables({ [name]: 'x' })).toEqual([]);
  });

  it('is left alone when it is empty, and a setting is no unknown variable', () => {
    expect(unknownVariables({ HTTPPORT: '', HTTP_PORT: '1', LOG_LEVEL: 'info' })).toEqual([]);
  });
});
