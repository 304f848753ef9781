import { ServiceProcess } from './service-process.ts';
import { Shell } from './shell.ts';

/** The two batches and the order that the service has answered, as words of a command line. */
const COMMANDS = [
  'CreateBatch reference=batch-1 sku=TABLE quantity=20 eta=null',
  'CreateBatch reference=batch-2 sku=TABLE quantity=5 eta=2027-01-31',
  'AllocateOrder orderid=order-1 lines=[{"sku":"TABLE","qty":2}] id=cmd-1',
];

/** A shell beside a running service that has answered an order for two of its tables. */
export interface StockedShell {
  readonly shell: Shell;
  close(): Promise<void>;
}

export async function openStockedShell(): Promise<StockedShell> {
  const shell = await Shell.open();
  const service = await ServiceProcess.start(shell.environment, shell.directory);
  for (const command of COMMANDS) await shell.expectAnswer('publish', ...command.split(' '));
  await shell.expectNoLag();
  return {
    shell,
    close: async () => {
      await service.stop();
      await shell.close();
    },
  };
}
