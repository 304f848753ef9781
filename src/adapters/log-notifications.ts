import type { RepeatedWarnings, WarningCounter } from '../repeated-warnings.ts';
import type { Notifications, OutOfStockLine } from '../service-layer/notifications.ts';
import { traceIdOf } from '../tracing/trace-id.ts';

/** Tells people with lines in the log: one at once, then at most one a minute. */
export class LogNotifications implements Notifications {
  readonly #outOfStock: WarningCounter<OutOfStockLine>;

  constructor(warnings: RepeatedWarnings) {
    this.#outOfStock = warnings.of({
      one: 'order was out of stock',
      many: 'orders were out of stock',
      maxSubjects: 1,
      forgets: true,
      describe: ({ source, ...line }) => ({
        fields: {
          ...line,
          ...(source && {
            lane: `${source.topic}/${source.partition}`,
            offset: source.offset,
            commandId: source.commandId,
            traceId: traceIdOf(source.traceparent),
          }),
        },
        text: `Out of stock: ${line.sku}`,
        name: `${line.orderid}, ${line.sku}`,
      }),
    });
  }

  outOfStock(line: OutOfStockLine): void {
    this.#outOfStock.warn(line);
  }
}
