import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The script that runs beside a broker, and outlives this process by a moment. When its input ends,
 * for whatever reason, it ends the broker. The word that it reads decides how:
 * - "remove", or no word: SIGKILL, and the data is removed
 * - "kill": SIGKILL, and the data stays
 * - "stop": SIGTERM, and SIGKILL after 60 seconds; the data stays
 * The broker must not inherit the ignored signals, or Java would ignore SIGTERM.
 */
const WATCHDOG = `
trap '' INT TERM HUP
dir=$1; shift
( trap - INT TERM HUP; exec "$@" ) >>"$dir/kafka.log" 2>&1 </dev/null &
pid=$!
read -r word
if [ "$word" = stop ]; then
  kill -TERM $pid
  (
    exec >/dev/null 2>&1
    for second in $(seq 60); do sleep 1; kill -0 $pid || exit; done
    kill -9 $pid
  ) &
else
  kill -9 $pid
fi
wait $pid 2>/dev/null
case "$word" in kill|stop) ;; *) rm -rf "$dir" ;; esac
`;

/** What becomes of a broker and its data. */
export type End = 'remove' | 'kill' | 'stop';

/** A broker that ends with this process. */
export interface BrokerProcess {
  /** Ends the broker. Resolves when the broker has ended. */
  end(how: End): Promise<void>;
}

/**
 * Starts a broker whose data is in `directory`. Its output goes to `kafka.log` there.
 * @param isUp resolves when the broker works
 * @throws when the broker does not come up; the message ends with the end of its log
 */
export async function startBrokerProcess(
  directory: string,
  command: readonly string[],
  isUp: () => Promise<void>,
  environment: Readonly<Record<string, string>> = {},
): Promise<BrokerProcess> {
  // Detached: a Ctrl-C in the terminal must not reach the script before it has cleaned up.
  const watchdog = spawn('sh', ['-c', WATCHDOG, 'watchdog', directory, ...command], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    env: { ...process.env, ...environment },
  });
  watchdog.stdin.on('error', () => {}); // The script has ended.
  const end = async (how: End) => {
    watchdog.ref();
    const ended =
      watchdog.exitCode === null && watchdog.signalCode === null ? once(watchdog, 'exit') : null;
    watchdog.stdin.end(`${how}\n`);
    await ended;
  };
  watchdog.unref();
  try {
    await isUp();
    return { end };
  } catch (error) {
    const log = await readFile(join(directory, 'kafka.log'), 'utf8').catch(() => '');
    await end('remove');
    throw new Error(`Kafka did not start: ${(error as Error).message}\n${log.slice(-2_000)}`);
  }
}
