// @module-tag db

import { createHash } from 'node:crypto';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { addToken } from '../../../src/cli/token.ts';
import { capturePrinted } from '../../support/printed-output.ts';

describe('npx allocation token create', () => {
  const printed = capturePrinted();

  const run = (...args: readonly string[]) => {
    const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
    addToken(program);
    for (const each of [...program.commands, ...program.commands.flatMap((one) => one.commands)])
      each.exitOverride().configureOutput({ writeErr: () => {} });
    return program.parseAsync(['node', 'allocation', 'token', 'create', ...args]);
  };

  it('prints a new token, and the line of the file with its hash', async () => {
    await run('--name', 'shop', '--role', 'publish');
    const [token = ''] = /alloc_[\w-]+/.exec(printed.text) ?? [];
    const line = JSON.parse(/^ {2}(\{.*\})$/m.exec(printed.text)?.[1] ?? 'null');
    const sha256 = createHash('sha256').update(token).digest('hex');
    expect(line).toEqual({ name: 'shop', role: 'publish', sha256 });
  });

  it('prints both as JSON', async () => {
    await run('--name', 'shop', '--role', 'read', '--json');
    expect(JSON.parse(printed.text)).toEqual({
      token: expect.stringMatching(/^alloc_/),
      listed: { name: 'shop', role: 'read', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
  });

  it.each([
    ['an unknown role', ['--name', 'shop', '--role', 'admin'], /read, publish, operate/],
    ['no role', ['--name', 'shop'], /--role/],
    ['no name', ['--role', 'read'], /--name/],
    ['a name with a line end', ['--name', 'a\nb', '--role', 'read'], /--name must have/],
    ['an empty name', ['--name', '', '--role', 'read'], /--name must have/],
  ])('refuses %s', async (_, args, message) => {
    await expect(run(...args)).rejects.toThrow(message);
    expect(printed.text).toBe('');
  });
});
