import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

/** What a node says next in a conversation, or how the conversation ends. */
export type Turn =
  | { readonly says: string; readonly isOver: boolean }
  /** The node refuses the client, with this reason. */
  | { readonly refusal: string };

/** Answers the client's messages, one after the other. */
export type Conversation = (message: string) => Turn;

export type Passwords = Readonly<Record<string, string>>;

const SCRAM_ITERATIONS = 4_096;
const INVALID = { refusal: 'Authentication failed due to invalid credentials' } as const;

/** Source: RFC 4616. */
export function plain(passwords: Passwords): Conversation {
  return (message) => {
    const [, user = '', password] = message.split('\0');
    return passwords[user] === password ? { says: '', isOver: true } : INVALID;
  };
}

/** Source: RFC 5802. */
export function scram(digest: 'sha256' | 'sha512', passwords: Passwords): Conversation {
  const salt = randomBytes(16);
  let first = '';
  let challenge = '';
  const hmac = (key: Buffer, text: string) => createHmac(digest, key).update(text).digest();
  return (message) => {
    if (first === '') {
      first = message.slice('n,,'.length);
      const nonce = `${fieldOf(first, 'r')}${randomBytes(8).toString('hex')}`;
      challenge = `r=${nonce},s=${salt.toString('base64')},i=${SCRAM_ITERATIONS}`;
      return { says: challenge, isOver: false };
    }
    const password = passwords[fieldOf(first, 'n')];
    if (password === undefined) return INVALID;
    const bytes = digest === 'sha256' ? 32 : 64;
    const salted = pbkdf2Sync(password, salt, SCRAM_ITERATIONS, bytes, digest);
    const [withoutProof = ''] = message.split(',p=');
    const said = [first, challenge, withoutProof].join(',');
    const clientKey = hmac(salted, 'Client Key');
    const signature = hmac(createHash(digest).update(clientKey).digest(), said);
    const proof = clientKey.map((byte, index) => byte ^ (signature[index] ?? 0));
    if (Buffer.from(proof).toString('base64') !== fieldOf(message, 'p')) return INVALID;
    const verifier = hmac(hmac(salted, 'Server Key'), said).toString('base64');
    return { says: `v=${verifier}`, isOver: true };
  };
}

/** Source: RFC 7628. A refused client must answer the refusal before the conversation ends. */
export function bearer(isValid: (token: string) => boolean): Conversation {
  const refusal = '{"status":"invalid_token"}';
  let isRefused = false;
  return (message) => {
    if (isRefused) return { refusal };
    const [, credentials = ''] = message.split('\u0001');
    const token = credentials.slice('auth=Bearer '.length);
    isRefused = !isValid(token);
    return isRefused ? { says: refusal, isOver: false } : { says: '', isOver: true };
  };
}

/** Returns the value of `name=value` in a message whose parts have commas between them. */
function fieldOf(message: string, name: string): string {
  const part = message.split(',').find((each) => each.startsWith(`${name}=`)) ?? '';
  return part.slice(name.length + 1);
}
