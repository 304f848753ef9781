import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ServiceProcess } from '../../test/support/service-process.ts';

/**
 * Another way to answer the same commands, measured beside the service.
 *
 * Its process finds KAFKA_BROKERS, KAFKA_GROUP_ID, COMMANDS_TOPIC and EVENTS_TOPIC (four partitions each) and an empty
 * STATE_DIRECTORY in its environment, prints `ready`, and publishes one event for each command, keyed by sku, with the
 * headers `ce_causationid` (the command's id) and `ce_type`. SIGTERM ends it.
 */
export interface Peer {
  readonly name: string;
  /** Where it is started. */
  readonly directory: string;
  /** Installs or builds it, in its directory. */
  readonly build: readonly string[] | null;
  readonly command: readonly [string, ...string[]];
  /** Answers a thousand or so commands per second: measured over fewer of them. */
  readonly isSlow: boolean;
  /** What it leaves out that the service does, for the report. */
  readonly doesNot: string;
}

/** @returns why it cannot run here; null: it can */
export async function preparePeer({ build, directory }: Peer): Promise<string | null> {
  if (!build) return null;
  try {
    await promisify(execFile)('sh', ['-c', build.join(' && ')], {
      cwd: directory,
      maxBuffer: 100 * 2 ** 20,
    });
    return null;
  } catch (error) {
    return (error as Error).message.trim().split('\n').at(-1) ?? 'it cannot be built';
  }
}

/** Resolves when it says `ready`. */
export function startPeer(
  { command, directory }: Peer,
  environment: Record<string, string>,
): Promise<ServiceProcess> {
  return ServiceProcess.startCommand(command, environment, directory);
}
