import { expect, it } from 'vitest';
import { ProductTurns } from '../../../src/entrypoints/product-turns.ts';

/** Opens turns that record when they begin, and end on demand. */
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

/** Waits until every turn that can begin has begun. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

it('lets turns on the same product begin one after another, in their order', async () => {
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

it('lets turns on different products, or on none, begin at once', async () => {
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

it('lets the next turn begin if one fails', async () => {
  const { begun, take } = stage();
  const [failing, next] = [take('failing', 'LAMP'), take('next', 'LAMP')];
  failing.fail();
  await expect(failing.taken).rejects.toThrow('failing');
  await settle();
  expect(begun).toEqual(['failing', 'next']);
  next.end();
});
