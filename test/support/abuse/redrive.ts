import { expect } from 'vitest';
import type { LogRecord } from '../../../src/service-layer/records.ts';
import type { RunningService } from '../running-service.ts';

/** Returns the dead letter of a valid command about the product of a story. */
export function failedCommand(number: number, commandsTopic: string): LogRecord {
  const sku = `VALID ${number}`;
  const command = { type: 'AllocateOrder', orderid: `redriven ${number}`, sku, qty: 1 };
  const why = {
    reason: 'handler-failed',
    message: 'The handler failed',
    topic: commandsTopic,
    partition: '0',
    offset: String(1_000_000 + number),
    attempts: '4',
    'failed-at': '2026-11-23T12:00:00.000Z',
  };
  return {
    key: sku,
    value: JSON.stringify(command),
    headers: Object.fromEntries(
      Object.entries(why).map(([name, text]) => [`dead-letter-${name}`, text]),
    ),
  };
}

/**
 * Redrives as an operator does, and asserts that some dead letters are refused.
 * @returns how many dead letters had each result
 */
export async function expectSomeRefused(
  running: RunningService,
): Promise<Readonly<Record<string, number>>> {
  const redrive = ['dead-letters', 'redrive', '--all', '--execute', '--json'];
  const { code, stdout } = await running.cli(...redrive);
  expect(code).toBe(1);
  const results = stdout
    .trim()
    .split('\n')
    .map((line): string => JSON.parse(line).result);
  return Object.fromEntries(
    [...Map.groupBy(results, (result) => result)].map(([result, same]) => [result, same.length]),
  );
}
