import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  ByteReader,
  ByteWriter,
  bytesOf,
  readRecord,
  writeRecord,
} from '../../../src/adapters/record-bytes.ts';
import { arbitraryRecord } from '../../support/arbitrary-records.ts';

const asBytes = (value: Buffer | string | null) =>
  value === null ? null : Buffer.from(value as string);

it('a number of 32 bits is read back as it was written', () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), (numbers) => {
      const writer = new ByteWriter();
      for (const number of numbers) writer.varint(number);
      const reader = new ByteReader(writer.bytes);
      expect(numbers.map(() => reader.varint())).toEqual(numbers);
      expect(reader.isAtEnd).toBe(true);
    }),
  );
});

it('the bytes of a record that is encoded are copied', () => {
  const writer = new ByteWriter();
  const record = {
    topic: 'events',
    key: 'k',
    value: 'v',
    headers: {},
    encoded: Buffer.from('xyz'),
  };
  writeRecord(writer, record);
  expect(String(writer.bytes)).toBe('xyz');
  expect(writer.length).toBeLessThanOrEqual(bytesOf(record));
});

it('records are read back with texts as bytes, within the computed size', () => {
  fc.assert(
    fc.property(fc.array(arbitraryRecord), (records) => {
      const writer = new ByteWriter();
      for (const record of records) writeRecord(writer, record);
      const reader = new ByteReader(writer.bytes);
      for (const { key, value, headers } of records) {
        const read = readRecord(reader);
        expect([read.key, read.value]).toEqual([asBytes(key), asBytes(value)]);
        for (const [name, header] of Object.entries(headers)) {
          const all = [header].flat().map((each) => asBytes(each as Buffer));
          const found = Object.hasOwn(read.headers, name) ? read.headers[name] : undefined;
          expect(found).toEqual(all.length === 1 ? all[0] : all.length === 0 ? undefined : all);
        }
      }
      expect(reader.isAtEnd).toBe(true);
      expect(writer.length).toBeLessThanOrEqual(
        records.reduce((sum, record) => sum + bytesOf(record), 0),
      );
    }),
  );
});
