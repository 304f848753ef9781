import { hostname, userInfo } from 'node:os';

/** Names the user of this process, as `user@host`. A user without a name is `uid-<number>`. */
export function localUser(): string {
  return `${userName()}@${hostname()}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a user id that has no name in the image.
    return `uid-${process.getuid?.()}`;
  }
}
