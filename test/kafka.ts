import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { startKafka, type TestKafka } from './support/kafka.ts';

const PORT = 9092;
/** The next start goes on with what is here. */
const KEPT_DATA = join(import.meta.dirname, '..', '.cache', 'kafka-data');
const say = (line: string) => process.stdout.write(`${line}\n`);

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

say('Starting Kafka (the first start fetches it, which takes a minute) …');
let kafka: TestKafka;
try {
  // A second Kafka beside the usual one begins empty, because they cannot share the data.
  const isFirst = await isFree(PORT);
  kafka = await startKafka(isFirst ? { port: PORT, keptData: KEPT_DATA } : {});
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
}
say('Kafka runs until you press Ctrl-C. In another terminal:\n');
say(`  export KAFKA_BROKERS=${kafka.brokers}`);
say('  npm start\n');
const staying = setInterval(() => {}, 60_000);
await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
clearInterval(staying);
say('\nStopping Kafka …');
await kafka.stop();
