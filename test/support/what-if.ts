import type { Bound } from '../../src/replay/bounds.ts';
import { whatIf } from '../../src/replay/what-if.ts';
import { planWhatIf } from '../../src/replay/what-if-plan.ts';
import type { CommandFilter, WhatIfReport } from '../../src/replay/what-if-report.ts';
import type { MessageBus } from '../../src/service-layer/message-bus.ts';
import type { LogRecord } from '../../src/service-layer/records.ts';
import { batch, order } from './plain-commands.ts';
import { RunningService } from './running-service.ts';
import { BusWithBug } from './what-if-buses.ts';

const watch = { advance: async () => {}, signal: new AbortController().signal };

interface Question extends Partial<CommandFilter> {
  readonly from?: Bound | null;
  readonly to?: Bound;
  readonly bus?: MessageBus;
  readonly eventsTopic?: string;
  /** A partition whose commands are all gone from the topic. */
  readonly gonePartition?: number;
}

/** Asks what the commands of the running service would do if they were handled again now. */
export async function askWhatIf(
  { service, config }: RunningService,
  question: Question = {},
): Promise<WhatIfReport> {
  const {
    from = null,
    to = null,
    type = null,
    sku = null,
    bus,
    eventsTopic = config.eventsTopic,
    gonePartition,
  } = question;
  const plan = await planWhatIf(service.broker, { ...config, eventsTopic }, { from, to });
  const commands = plan.commands.map((range) => ({
    ...range,
    beginning: range.partition === gonePartition ? range.end : range.beginning,
  }));
  return whatIf(service.broker, { ...plan, commands }, { type, sku }, watch, bus);
}

/** Starts a service with a bug in a handler. The service has answered six commands. */
export async function startWithSixCommands(
  environment: Record<string, string>,
): Promise<RunningService> {
  const running = await RunningService.start(
    { ...environment, TOPIC_PARTITIONS: '3' },
    { bus: new BusWithBug() },
  );
  await sendAndWait(
    running,
    batch('lamp-1', 'LAMP'),
    batch('lamp-2', 'LAMP', { eta: '2027-01-01' }),
    batch('sofa-1', 'SOFA'),
  );
  await sendAndWait(running, order('o1', 'LAMP'), order('o2', 'SOFA'), order('o3', 'LAMP', 7));
  return running;
}

/** Sends the commands, and waits until the service has answered all of them. */
export async function sendAndWait(
  running: RunningService,
  ...commands: (Partial<LogRecord> | object)[]
): Promise<void> {
  await running.send(...commands);
  await running.idle();
}

/** Sends 15 commands of every kind after the first six, one group after the other. */
export async function sendMixedCommands(running: RunningService): Promise<void> {
  const lines = [
    { sku: 'LAMP', qty: 3 },
    { sku: 'SOFA', qty: 1 },
    { sku: 'DESK', qty: 1 },
  ];
  const groups = [
    [{ type: 'AllocateOrder', id: 'o4', orderid: 'o4', lines }],
    [
      order('o1', 'LAMP'),
      batch('lamp-1', 'LAMP'),
      { ...batch('lamp-1', 'LAMP'), id: 'the same batch' },
    ],
    [
      { value: 'no command' },
      { ...order('again', 'LAMP'), orderid: 'o1' },
      { ...order('o9', 'LAMP', 3), orderid: 'o1' },
    ],
    [{ type: 'ChangeBatchQuantity', id: 'shrunk', reference: 'lamp-1', quantity: 4 }],
    [
      { type: 'ChangeBatchQuantity', id: 'none', reference: 'lamp-9', quantity: 4 },
      order('poison', 'BED'),
    ],
    [batch('bed-1', 'BED')],
    [
      { type: 'DeallocateOrder', id: 'gone', orderid: 'o4' },
      { type: 'DeallocateOrder', id: 'none 2', orderid: 'o99' },
    ],
    [order('o5', 'SOFA', 9), { ...batch('lamp-1', 'LAMP'), id: 'the same batch' }],
  ];
  for (const group of groups) await sendAndWait(running, ...group);
}
