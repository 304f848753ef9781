import { describe, expect, it, vi } from 'vitest';
import { localUser } from '../../../src/audit/local-user.ts';

const { userInfo } = vi.hoisted(() => ({ userInfo: vi.fn() }));
vi.mock('node:os', () => ({ hostname: () => 'desk', userInfo }));

describe('the user of the process', () => {
  it('has a name and a host', () => {
    userInfo.mockReturnValue({ username: 'ann' });
    expect(localUser()).toBe('ann@desk');
  });

  it('has a number where the machine knows no name', () => {
    userInfo.mockImplementation(() => {
      throw new Error('uv_os_get_passwd returned ENOENT');
    });
    expect(localUser()).toBe(`uid-${process.getuid?.()}@desk`);
  });
});
