import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig, unknownVariables } from '../../src/config.ts';
import { ConfigError } from '../../src/config-error.ts';
import { SECRETS, withSecretFiles } from '../../src/secret-files.ts';

describe.each(SECRETS)('The secret %s', (name) => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'allocation-secrets-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const fileWith = async (text: string) => {
    const path = join(folder, 'secret');
    await writeFile(path, text);
    return { [`${name}_FILE`]: path };
  };

  it.each([
    ['secret', 'secret'],
    ['secret\n', 'secret'],
    ['secret\r\n', 'secret'],
    ['secret\n\n', 'secret\n'],
    [' secret ', ' secret '],
  ])('is read from a file, without one newline at its end: %j', async (text, secret) => {
    expect(withSecretFiles(await fileWith(text))).toHaveProperty(name, secret);
  });

  it('is refused when the variable and the file are both given', async () => {
    const environment = { ...(await fileWith('secret')), [name]: 'other' };
    expect(() => readConfig(environment)).toThrow(`${name} and ${name}_FILE are both set`);
  });

  it('may have an empty variable beside its file, or no file', async () => {
    expect(withSecretFiles({ ...(await fileWith('secret')), [name]: '' })[name]).toBe('secret');
    expect(withSecretFiles({ [`${name}_FILE`]: '' })[name]).toBeUndefined();
  });

  it('is refused with the path when the file cannot be read', () => {
    const path = join(folder, 'missing');
    const read = () => readConfig({ [`${name}_FILE`]: path });
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(`${name}_FILE=${path} cannot be read (ENOENT)`);
  });

  it.each(['', '\n'])('is refused when its file is empty: %j', async (text) => {
    const environment = await fileWith(text);
    expect(() => readConfig(environment)).toThrow(/_FILE=\S+ is empty/);
  });

  it.each(['postgresql://user:secret@host/name', 'user:secret@host', 'first\nsecret'])(
    'is not shown when it stands where its path belongs: %j',
    (secret) => {
      expect(() => readConfig({ [`${name}_FILE`]: secret })).toThrow(
        `The file of ${name}_FILE cannot be read`,
      );
    },
  );

  it('has a file variable that is no misspelt setting', () => {
    expect(unknownVariables({ [`${name}_FILE`]: 'x' })).toEqual([]);
    expect(unknownVariables({ [`${name}_FIEL`]: 'x' })).toEqual([
      { name: `${name}_FIEL`, nearest: `${name}_FILE` },
    ]);
  });
});

it('A DATABASE_URL from a file that is not valid is not shown', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'allocation-secrets-'));
  const path = join(folder, 'url');
  await writeFile(path, 'postgre://user:pa55word@host');
  expect(() => readConfig({ DATABASE_URL_FILE: path })).toThrow(/^DATABASE_URL is not valid/);
  expect(() => readConfig({ DATABASE_URL_FILE: path })).not.toThrow(/pa55word/);
  await rm(folder, { recursive: true });
});
