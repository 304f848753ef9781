import { expect, it } from 'vitest';
import {
  actHeaders,
  encodeAct,
  type OperatorActed,
  operatorActed,
} from '../../../src/messages/operator-acts.ts';

const time = '2027-01-15T09:30:00.000Z';
const act: OperatorActed = {
  act: 'lanes pause',
  state: 'begun',
  by: 'operator@host',
  from: 'cli',
  on: { count: 1, first: ['commands/0'] },
  options: { reason: 'wrong prices' },
};

it('an act is a CloudEvent whose key names the act', () => {
  expect(encodeAct('act-1', act, time)).toEqual({
    key: 'act-1',
    value: JSON.stringify(act),
    headers: {
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_id: 'act-1/begun',
      ce_source: '/allocation/audit',
      ce_type: 'OperatorActed',
      ce_dataschema: '/allocation/schemas/OperatorActed/2',
      ce_subject: 'act-1',
      ce_time: time,
    },
  });
});

it.each(['succeeded', 'failed', 'interrupted'] as const)('an act that has %s is ended', (state) => {
  const { headers, value } = encodeAct('act-1', { ...act, state }, time);
  expect(headers.ce_id).toBe('act-1/ended');
  expect(actHeaders.strict().safeParse(headers).error).toBeUndefined();
  expect(operatorActed.parse(JSON.parse(value))).toEqual({ ...act, state });
});

it('an act that does not fit its schema is not encoded', () => {
  expect(() => encodeAct('act-1', { ...act, state: 'paused' as never }, time)).toThrow();
});
