import { clusterPlants } from './cluster.ts';
import { deliveryPlants } from './deliveries.ts';
import { identityPlants } from './identities.ts';
import { messagePlants } from './messages.ts';
import { openingPlants } from './opening.ts';
import { orderPlants } from './order.ts';
import { parkingPlants } from './parking.ts';
import type { Parts } from './planting.ts';
import { postgresPlants } from './postgres.ts';
import { publicationPlants } from './publications.ts';
import { stockPlants } from './stock.ts';
import { transactionPlants } from './transactions.ts';

/** Bugs that the simulation must find. Each changes the parts of one machine's lanes. */
export const plants = {
  ...openingPlants,
  ...deliveryPlants,
  ...transactionPlants,
  ...identityPlants,
  ...parkingPlants,
  ...stockPlants,
  ...publicationPlants,
  ...messagePlants,
  ...clusterPlants,
  ...orderPlants,
  ...postgresPlants,
} satisfies Record<string, (parts: Parts) => Parts>;

export type PlantedBug = keyof typeof plants;
