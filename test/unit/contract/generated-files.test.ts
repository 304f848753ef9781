import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { generatedFiles } from '../../../contract/generated-files.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const files = await generatedFiles();

it.each([...files])('%s is current', (path, text) => {
  const there = readFileSync(join(root, path), 'utf8');
  expect(there, `${path} differs from the code: run "npm run contract"`).toBe(text);
});

it('the contract has no schema of a message that does not exist', () => {
  const names = readdirSync(join(root, 'contract/schemas'));
  const there = names.map((name) => `contract/schemas/${name}`);
  expect(
    there.filter((path) => !files.has(path)),
    'remove these files',
  ).toEqual([]);
});
