import os from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { localUser } from '../../../src/audit/local-user.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

describe('the user of the process', () => {
  it('has a name and a host', () => {
    expect(localUser()).toBe(`${os.userInfo().username}@${os.hostname()}`);
  });

  it('has a number where the machine knows no name', () => {
    vi.spyOn(os, 'userInfo').mockImplementation(() => {
      throw new Error('uv_os_get_passwd returned ENOENT');
    });
    expect(localUser()).toBe(`uid-${process.getuid?.()}@${os.hostname()}`);
  });
});
