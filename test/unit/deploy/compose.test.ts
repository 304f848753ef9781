import { spawnSync } from 'node:child_process';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  imageEnvironment,
  imageInstructions,
  readDeployed,
  root,
  textOf,
  unknownNames,
  yamlOf,
} from '../../support/deployment.ts';

interface Broker {
  readonly image: string;
  readonly profiles?: readonly string[];
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

const compose = yamlOf('docker-compose.yml');
const { allocation, postgres, ...others } = compose.services;
const brokers: readonly Broker[] = Object.values(others);
const envFile = 'deploy/compose/three-brokers.env';
const secretOf = (name: string) =>
  textOf(compose.secrets[name].file.replace(/^\$\{SECRETS:-\.\/(.*)\}/, '$1')).trim();

const hasCompose = spawnSync('docker', ['compose', 'version']).status === 0;
if (!hasCompose)
  process.stderr.write(
    'Tests of `docker compose config` are skipped: there is no docker compose\n',
  );

describe('docker-compose.yml', () => {
  it('gives the service settings with which it starts', () => {
    const variables = { ...imageEnvironment(), ...allocation.environment };
    expect(unknownNames(variables)).toEqual([]);
    const config = readDeployed(variables, { DATABASE_URL: secretOf('database-url') });
    const [broker] = config.kafkaBrokers ?? [];
    expect(others.kafka.environment.KAFKA_ADVERTISED_LISTENERS).toContain(`COMPOSE://${broker}`);
  });

  it('keeps each password in the file of a secret that its container gets', () => {
    const { environment, secrets } = allocation;
    expect(secrets).toEqual([basename(environment.DATABASE_URL_FILE)]);
    expect(postgres.secrets).toEqual([basename(postgres.environment.POSTGRES_PASSWORD_FILE)]);
    const url = new URL(secretOf('database-url'));
    expect(url.password).toBe(secretOf('database-password'));
    expect(url.username).toBe(postgres.environment.POSTGRES_USER);
    expect(url.pathname).toBe(`/${postgres.environment.POSTGRES_DB}`);
  });

  it('publishes ports on loopback addresses only', () => {
    const ports = [allocation, ...brokers].flatMap((service) => service.ports);
    expect(ports).toHaveLength(4);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    expect(postgres.ports).toBeUndefined();
    expect(imageInstructions().get('EXPOSE')).toEqual([allocation.ports[0].split(':').at(-1)]);
  });

  it('starts the second and the third broker with the profile only', () => {
    expect(brokers.map(({ profiles }) => profiles)).toEqual([
      undefined,
      ['three-brokers'],
      ['three-brokers'],
    ]);
    expect(textOf(envFile)).toMatch(/^COMPOSE_PROFILES=three-brokers$/m);
    const given = textOf(envFile).matchAll(/^(KAFKA_\w+)=/gm);
    const used = textOf('docker-compose.yml').matchAll(/\$\{(KAFKA_\w+):-/g);
    expect(new Set([...given].map(([, name]) => name))).toEqual(
      new Set([...used].map(([, name]) => name)),
    );
  });

  it('gives each broker an id, a volume and addresses of its own', () => {
    for (const unique of [
      brokers.map(({ environment }) => environment.KAFKA_NODE_ID),
      brokers.map(({ environment }) => environment.KAFKA_ADVERTISED_LISTENERS),
      brokers.map(({ volumes }) => volumes[0]),
    ])
      expect(new Set(unique).size).toBe(brokers.length);
  });

  it.skipIf(!hasCompose).each([[[]], [['--env-file', envFile]]])(
    'is accepted by docker compose config, with %j',
    (options) => {
      const { status, stderr } = spawnSync('docker', ['compose', ...options, 'config', '--quiet'], {
        cwd: root,
        encoding: 'utf8',
      });
      expect(stderr).toBe('');
      expect(status).toBe(0);
    },
  );
});
