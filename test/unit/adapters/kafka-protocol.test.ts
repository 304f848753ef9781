import { expect, it } from 'vitest';
import { type BrokerNode, readTopicId } from '../../../src/adapters/broker/kafka/protocol.ts';

it("asks a node that is older than topics' ids for none", async () => {
  const node = {
    versions: { 3: { maxVersion: 9 } },
    connectionPool: { send: async () => Promise.reject(new Error('asked')) },
  } as unknown as BrokerNode;
  expect(await readTopicId(node, 'commands')).toBeNull();
});
