// @module-tag slow

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';

const DEMO = join(import.meta.dirname, '../../examples/demo/main.ts');
const PATIENCE = { withinMs: 90_000 };

let directory: string;
let demo: ChildProcess;
const lines: string[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'allocation-'));
  lines.length = 0;
  const env = { PATH: process.env.PATH, TMPDIR: directory };
  demo = spawn(process.execPath, [DEMO], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  if (demo.stdout) createInterface({ input: demo.stdout }).on('line', (line) => lines.push(line));
});

afterEach(async () => {
  demo.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

const press = (key: string) => demo.stdin?.write(key);
const says = (text: RegExp) =>
  eventually(() => expect(lines.slice(-3).join('\n')).toMatch(text), PATIENCE);

it('the demo goes on after each fault, and leaves nothing behind', async () => {
  await says(/^well \| [1-9]\d* answers/m);
  press('p');
  await says(/^well \| .* dead letters 1/m);
  press('s');
  await eventually(() => expect(lines.join('\n')).toContain('are allocated anew'), PATIENCE);
  press('k');
  await says(/^the service does not answer/m);
  const before = lines.length;
  await says(/^well \| /m);
  expect(lines.slice(before).join('\n')).not.toContain('did not work');
  const ended = once(demo, 'exit');
  press('q');
  expect(await ended).toEqual([0, null]);
  expect(await readdir(directory)).toEqual([]);
}, 300_000);
