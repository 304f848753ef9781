import { hostname, userInfo } from 'node:os';

/** Names the user of this process, as `user@host`. A user without a name is `uid-<number>`. */
export function localUser(): string {
  return `${userName()}@${hostname()}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // Containers run under users that no file of the image names.
    return `uid-${process.getuid?.()}`;
  }
}
