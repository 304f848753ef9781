import { expect, it } from 'vitest';
import {
  fenceGroup,
  openLaneProducer,
  transactionalIdOf,
} from '../../../src/entrypoints/transactional-ids.ts';
import type { Broker } from '../../../src/service-layer/broker.ts';

const { signal } = new AbortController();

/** A broker that records which producers are opened, and which are closed at once. */
class NotingBroker {
  readonly opened: string[] = [];
  readonly fenced: string[] = [];

  get broker(): Broker {
    const openProducer = async (id: string, until: AbortSignal) => {
      expect(until).toBe(signal);
      this.opened.push(id);
      return { close: async () => void this.fenced.push(id) };
    };
    return { openProducer } as unknown as Broker;
  }

  async open(group: string, topic: string, isFormer: boolean): Promise<void> {
    await openLaneProducer(
      this.broker,
      { hasFormerId: async () => isFormer },
      group,
      { topic, partition: 0 },
      signal,
    );
  }
}

it('gives lanes of different groups and topics different transactional ids', () => {
  const one = transactionalIdOf('a-b', { topic: 'c', partition: 0 });
  const other = transactionalIdOf('a', { topic: 'b-c', partition: 0 });
  expect([one, other]).toEqual(['a-b-c-0', 'a-b~c-0']);
});

it.each([true, false])(
  'uses one id for both releases if the topic has no "-" (former release: %s)',
  async (isFormer) => {
    const noting = new NotingBroker();
    await noting.open('allocation', 'allocation.commands', isFormer);
    expect(noting).toMatchObject({ opened: ['allocation-allocation.commands-0'], fenced: [] });
  },
);

it.each([
  { isFormer: true, works: 'a-b-c-0', fenced: 'a-b~c-0' },
  { isFormer: false, works: 'a-b~c-0', fenced: 'a-b-c-0' },
])(
  'works with $works and fences $fenced (made by the former release: $isFormer)',
  async ({ isFormer, works, fenced }) => {
    const noting = new NotingBroker();
    await noting.open('a', 'b-c', isFormer);
    expect(noting).toMatchObject({ opened: [fenced, works], fenced: [fenced] });
  },
);

it('fences the owner of another group, whichever release it has', async () => {
  const noting = new NotingBroker();
  await fenceGroup(noting.broker, 'a', { topic: 'b-c', partition: 0 }, signal);
  expect(noting.fenced).toEqual(['a-b-c-0', 'a-b~c-0']);
});
