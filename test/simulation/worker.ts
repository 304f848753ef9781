import { parentPort, workerData } from 'node:worker_threads';
import type { PlantedBug } from './planted-bugs/planted-bugs.ts';
import { simulate } from './simulate.ts';
import { DatabaseFile } from './simulated-database.ts';

/** What a worker is asked to run: the history of this seed. */
export interface Task {
  readonly seed: number;
  readonly plant: PlantedBug | undefined;
}

const file = new DatabaseFile(workerData.path);

parentPort?.on('message', async ({ seed, plant }: Task) => {
  parentPort?.postMessage(await simulate(seed, file, undefined, plant));
});
