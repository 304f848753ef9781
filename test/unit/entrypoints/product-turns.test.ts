import { expect, it } from 'vitest';
import { ProductTurns } from '../../../src/entrypoints/product-turns.ts';

/** Turns that say when they begin, and end when they are told to. */
function stage() {
  const turns = new ProductTurns();
  const begun: string[] = [];
  const take = (name: string, ...skus: string[]) => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const taken = turns.take(new Set(skus), () => {
      begun.push(name);
      return promise;
    });
    return { taken, end: () => resolve(name), fail: () => reject(new Error(name)) };
  };
  return { begun, take };
}

/** Lets everything go on that can. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

it('lets those that name the same product take turns, in the order in which they came', async () => {
  const { begun, take } = stage();
  const [one, two, three] = [
    take('one', 'LAMP', 'SOFA'),
    take('two', 'SOFA', 'DESK'),
    take('three', 'DESK', 'LAMP'),
  ];
  await settle();
  expect(begun).toEqual(['one']);
  one.end();
  expect(await one.taken).toBe('one');
  await settle();
  expect(begun).toEqual(['one', 'two']);
  two.end();
  three.end();
  expect(await three.taken).toBe('three');
});

it('lets those that name different products, or none, begin at once', async () => {
  const { begun, take } = stage();
  for (const [name, ...skus] of [
    ['lamp', 'LAMP'],
    ['sofa', 'SOFA'],
    ['none'],
    ['none either'],
  ] as const)
    take(name, ...skus);
  await settle();
  expect(begun).toEqual(['lamp', 'sofa', 'none', 'none either']);
});

it('goes on with the next one when one fails', async () => {
  const { begun, take } = stage();
  const [failing, next] = [take('failing', 'LAMP'), take('next', 'LAMP')];
  failing.fail();
  await expect(failing.taken).rejects.toThrow('failing');
  await settle();
  expect(begun).toEqual(['failing', 'next']);
  next.end();
});
