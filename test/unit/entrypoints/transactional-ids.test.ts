import { expect, it } from 'vitest';
import { fenceFormerRelease, fenceGroup, transactionalIdOf } from '../../../src/entrypoints/transactional-ids.ts';
import type { Broker } from '../../../src/service-layer/unit-of-work.ts';

/** Notes which producers were opened. */
function noting(opened: string[]): Broker {
  return { openProducer: async (id: string) => ({ close: async () => void opened.push(id) }) } as unknown as Broker;
}

it('gives lanes of different groups and topics different transactional ids', () => {
  const one = transactionalIdOf('a-b', { topic: 'c', partition: 0 });
  const other = transactionalIdOf('a', { topic: 'b-c', partition: 0 });
  expect([one, other]).toEqual(['a-b-c-0', 'a-b~c-0']);
});

it('keeps the id of former releases if the topic has no "-"', async () => {
  const opened: string[] = [];
  await fenceFormerRelease(noting(opened), 'allocation', { topic: 'allocation.commands', partition: 3 });
  expect([transactionalIdOf('allocation', { topic: 'allocation.commands', partition: 3 }), opened]).toEqual([
    'allocation-allocation.commands-3',
    [],
  ]);
});

it('fences the owner of a former release, whose id differs', async () => {
  const opened: string[] = [];
  await fenceFormerRelease(noting(opened), 'a', { topic: 'b-c', partition: 0 });
  expect(opened).toEqual(['a-b-c-0']);
});

it('fences the owner of another group, of either release', async () => {
  const opened: string[] = [];
  await fenceGroup(noting(opened), 'a', { topic: 'b-c', partition: 0 });
  expect(opened).toEqual(['a-b-c-0', 'a-b~c-0']);
});
