import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { type Config, readConfig, SETTINGS } from '../../src/config.ts';
import { refuseOpenDoor } from '../../src/entrypoints/http/doors/exposure.ts';
import { SECRETS } from '../../src/secret-files.ts';

export const root = join(import.meta.dirname, '..', '..');

export function textOf(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

/** Parses a YAML file of one document. Its type is open: the tests say what the files have. */
export function yamlOf(file: string): ReturnType<typeof parse> {
  return parse(textOf(file), { merge: true });
}

/** What the last stage of the Dockerfile says, by instruction. */
export function imageInstructions(): ReadonlyMap<string, readonly string[]> {
  const lines = textOf('Dockerfile')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n');
  const lastStage = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')));
  const instructions = lastStage.filter(Boolean).map((line) => line.split(/ (.*)/));
  return Map.groupBy(instructions, ([name = '']) => name)
    .entries()
    .reduce(
      (found, [name, all]) =>
        found.set(
          name,
          all.map(([, value = '']) => value),
        ),
      new Map<string, readonly string[]>(),
    );
}

/** Returns the environment that the image itself sets. */
export function imageEnvironment(): Record<string, string> {
  const pairs = (imageInstructions().get('ENV') ?? []).flatMap((line) => line.split(' '));
  return Object.fromEntries(pairs.map((pair) => pair.split('=')));
}

/** Returns those variables that nobody reads: neither the service nor Node. */
export function unknownNames(variables: Record<string, string>): readonly string[] {
  return Object.keys(variables).filter((name) => !SETTINGS.includes(name) && name !== 'NODE_ENV');
}

/**
 * Reads the variables as the service does when it starts. A secret in a file, which the machine of
 * the test lacks, gets the value in `secrets`.
 *
 * @throws {ConfigError} a variable is not valid, or a secret is missing
 * @throws {ListenError} the API would be open to other machines
 */
export function readDeployed(
  variables: Record<string, string>,
  secrets: Partial<Record<(typeof SECRETS)[number], string>>,
): Config {
  const environment: Record<string, string> = { ...variables };
  for (const name of SECRETS) {
    const secret = secrets[name];
    if (environment[`${name}_FILE`] === undefined || secret === undefined) continue;
    delete environment[`${name}_FILE`];
    environment[name] = secret;
  }
  const config = readConfig(environment);
  refuseOpenDoor(config.httpHost, config.httpDoors);
  return config;
}
