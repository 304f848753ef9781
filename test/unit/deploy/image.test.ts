import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  imageEnvironment,
  imageInstructions,
  root,
  textOf,
  unknownNames,
} from '../../support/deployment.ts';

const instructions = imageInstructions();
const packageJson = JSON.parse(textOf('package.json'));

describe('The Dockerfile', () => {
  it('names its base by the Node of package.json and a digest, once for all stages', () => {
    const node = packageJson.devDependencies.node;
    expect(textOf('Dockerfile')).toMatch(
      new RegExp(`^ARG NODE_IMAGE=node:${node}-slim@sha256:[0-9a-f]{64}$`, 'm'),
    );
    const bases = textOf('Dockerfile').match(/^FROM \S+/gm) ?? [];
    for (const base of bases) expect(base).toBe('FROM $NODE_IMAGE');
  });

  it('ends with a stage that runs no shell', () => {
    expect(instructions.get('RUN')).toBeUndefined();
    const [healthCheck = ''] = instructions.get('HEALTHCHECK') ?? [];
    const [entrypoint = ''] = instructions.get('ENTRYPOINT') ?? [];
    expect(JSON.parse(healthCheck.replace(/^.*CMD /, ''))[0]).toBe('node');
    expect(JSON.parse(entrypoint)).toEqual(['/app/src/cli/allocation.ts']);
    expect(textOf('src/cli/allocation.ts')).toMatch(/^#!\/usr\/bin\/env -S node /);
  });

  it('runs as a user with a number, in a volume that belongs to that user', () => {
    const [user] = instructions.get('USER') ?? [];
    expect(user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(instructions.get('VOLUME')).toEqual(['/data']);
    expect(instructions.get('WORKDIR')?.at(-1)).toBe('/data');
    expect(instructions.get('COPY')).toContain(`--from=dependencies --chown=${user} /data /data`);
  });

  it('says the version and the licence of package.json', () => {
    const [labels] = instructions.get('LABEL') ?? [];
    expect(labels).toContain(`org.opencontainers.image.version="${packageJson.version}"`);
    expect(labels).toContain(`org.opencontainers.image.licenses="${packageJson.license}"`);
  });

  it('copies files that exist and that .dockerignore lets through', () => {
    const sources = (instructions.get('COPY') ?? [])
      .filter((copy) => !copy.startsWith('--from='))
      .flatMap((copy) => copy.split(' ').slice(0, -1));
    expect(sources).toContain('src');
    const ignored = textOf('.dockerignore').split('\n');
    for (const source of sources) {
      expect(existsSync(join(root, source)), source).toBe(true);
      expect(ignored, source).toContain(`!${source}`);
    }
  });

  it('sets variables that the service knows', () => {
    expect(imageEnvironment()).toHaveProperty('HTTP_HOST');
    expect(unknownNames(imageEnvironment())).toEqual([]);
  });
});
