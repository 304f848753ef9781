// @module-tag db
// @module-tag kafka
// @module-tag slow
// @module-tag campaign

import kafkajs from 'kafkajs';
import { expect, inject, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { RunningService } from '../support/running-service.ts';
import { plainKafka } from '../support/topic-reader.ts';

const brokers = inject('kafkaBrokers');
const TOO_LARGE_BYTES = 65 * 1024 * 1024;

it.skipIf(!brokers)(
  'a record batch that unpacks to 65 MiB is one dead letter, and holds up nobody',
  async () => {
    const running = await RunningService.start({
      KAFKA_BROKERS: brokers ?? '',
      TOPIC_PARTITIONS: '1',
    });
    const producer = plainKafka(brokers ?? '').producer();
    try {
      const batch = {
        type: 'CreateBatch',
        id: 'before',
        reference: 'before',
        sku: 'LAMP',
        quantity: 1,
        eta: null,
      };
      await running.send(batch);
      await producer.connect();
      await producer.send({
        topic: running.config.commandsTopic,
        compression: kafkajs.CompressionTypes.GZIP,
        messages: [
          { value: JSON.stringify({ ...batch, id: 'small' }) },
          { value: Buffer.alloc(TOO_LARGE_BYTES) },
        ],
      });
      await running.send({ ...batch, id: 'after', reference: 'after' });
      await running.idle();
      await eventually(() =>
        expect(running.events.map(({ headers }) => String(headers.ce_causationid))).toEqual([
          'before',
          'after',
        ]),
      );
      const letters = running.deadLetters.map(({ headers }) =>
        [headers['dead-letter-reason'], headers['dead-letter-message']].map(String),
      );
      expect(letters).toEqual([
        [
          'malformed',
          expect.stringMatching(/^The record batch of offsets 1 to 2 cannot be read\. /),
        ],
      ]);
    } finally {
      await producer.disconnect();
      await running[Symbol.asyncDispose]();
    }
  },
  90_000,
);
