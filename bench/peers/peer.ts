import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ServiceProcess } from '../../test/support/service-process.ts';

/**
 * Another way to answer the same commands, measured beside the service.
 *
 * The process of a peer finds KAFKA_BROKERS, KAFKA_GROUP_ID, COMMANDS_TOPIC, EVENTS_TOPIC and an
 * empty STATE_DIRECTORY in its environment. Each topic has four partitions. The process prints
 * `ready`. It publishes one event for each command, keyed by sku, with the headers `ce_causationid`
 * (the command's id) and `ce_type`. SIGTERM ends the process.
 */
export interface Peer {
  readonly name: string;
  /** The directory in which the peer is built and started. */
  readonly directory: string;
  /** The shell commands that install or build the peer. Null: nothing is to be built. */
  readonly build: readonly string[] | null;
  readonly command: readonly [string, ...string[]];
  /** Whether the peer answers only about a thousand commands a second. It then gets fewer. */
  readonly isSlow: boolean;
  /** What the service does and the peer leaves out, for the report. */
  readonly doesNot: string;
}

/** Builds the peer. @returns why it cannot run here; null: it can */
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

/** Starts the peer. Resolves when its process says `ready`. */
export function startPeer(
  { command, directory }: Peer,
  environment: Record<string, string>,
): Promise<ServiceProcess> {
  return ServiceProcess.startCommand(command, environment, directory);
}
