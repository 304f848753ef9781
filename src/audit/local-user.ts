import os from 'node:os';

/** Names the user of this process, as `user@host`. A user without a name is `uid-<number>`. */
export function localUser(): string {
  return `${userName()}@${os.hostname()}`;
}

function userName(): string {
  try {
    return os.userInfo().username;
  } catch {
    // A container may run under a user id that has no name in the image.
    return `uid-${process.getuid?.()}`;
  }
}
