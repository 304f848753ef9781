import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * A release with the consumer of kafkajs, whose members give up all partitions at each rebalance.
 */
const COMMIT = '3ebd65e';

/** A former release, which users still run while they upgrade. */
export interface FormerRelease {
  /** The command line of the release, as `ServiceProcess.spawn` takes it. */
  readonly program: readonly [string];
  remove(): Promise<void>;
}

/**
 * Extracts the former release from the history of the repository into a new folder, with the
 * packages of this checkout.
 * @throws when the history is too short, or the release needs other packages; the message says why
 */
export async function formerRelease(): Promise<FormerRelease> {
  await run('git', ['cat-file', '-e', `${COMMIT}^{commit}`], { cwd: root }).catch(() => {
    throw new Error(`the former release, commit ${COMMIT}, is not in this clone (a shallow one?)`);
  });
  const folder = await mkdtemp(join(tmpdir(), 'allocation-former-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const archive = join(folder, 'release.tar');
    await run('git', ['archive', `--output=${archive}`, COMMIT], { cwd: root });
    await run('tar', ['-xf', archive, '-C', folder]);
    const [theirs, ours] = await Promise.all([installed(folder), installed(root)]);
    const lacking = [...theirs].filter(([path, version]) => ours.get(path) !== version);
    if (lacking.length > 0)
      throw new Error(
        `the former release, commit ${COMMIT}, needs packages that this checkout lacks: ` +
          lacking.map(([path, version]) => `${path} ${version}`).join(', '),
      );
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  } catch (error) {
    await remove();
    throw error;
  }
  return { program: [join(folder, 'src/cli/allocation.ts')], remove };
}

/**
 * Returns the version of each package that the release needs to run. The root entry has the version
 * of the release itself and does not count.
 */
async function installed(folder: string): Promise<ReadonlyMap<string, string>> {
  const { packages } = JSON.parse(await readFile(join(folder, 'package-lock.json'), 'utf8'));
  const needed = Object.entries<{ dev?: boolean; version: string }>(packages).filter(
    ([path, { dev }]) => path !== '' && !dev,
  );
  return new Map(needed.map(([path, { version }]) => [path, version]));
}
