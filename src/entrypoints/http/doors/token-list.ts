import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Logger } from 'pino';
import { z } from 'zod';
import { ListenError } from '../listen-error.ts';
import { type Caller, ROLES, type Role, type TokenSource } from './access.ts';
import { RenewedFiles } from './renewed-files.ts';

/** Lets people and scanners recognize a leaked token. */
const TOKEN_PREFIX = 'alloc_';
/** Enough random bytes that nobody can guess a token, even from its fast hash. */
const TOKEN_BYTES = 32;
/** Each request is compared with all tokens, so their number is limited. */
const MAX_TOKENS = 1_000;

const tokenName = z
  .string()
  .regex(/^\P{Cc}{1,100}$/u, '1 to 100 characters without control characters');
const listedToken = z.strictObject({
  name: tokenName,
  role: z.enum(ROLES),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits, in lower case'),
});
const tokenList = z
  .array(listedToken)
  .max(MAX_TOKENS)
  .refine(
    (list) => new Set(list.map(({ sha256 }) => sha256)).size === list.length,
    'the same sha256 twice',
  );

/** A token, as HTTP_TOKENS_FILE lists it. */
export type ListedToken = z.infer<typeof listedToken>;

/** Tells whether a token may have the name. */
export function isTokenName(name: string): boolean {
  return tokenName.safeParse(name).success;
}

/** Makes a new token, and the entry for it in HTTP_TOKENS_FILE. */
export function newToken(name: string, role: Role): { token: string; listed: ListedToken } {
  const token = TOKEN_PREFIX + randomBytes(TOKEN_BYTES).toString('base64url');
  return { token, listed: listedToken.parse({ name, role, sha256: hash('sha256', token) }) };
}

/** Knows the tokens of HTTP_TOKENS_FILE, also after the file has changed. */
export class TokenList implements TokenSource {
  readonly #path: string;
  readonly #file: RenewedFiles;
  #tokens: readonly { readonly caller: Caller; readonly digest: Buffer }[] = [];

  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#file = new RenewedFiles([path], ([text = '']) => this.#use(text), log);
  }

  /** Reads the file. @throws {ListenError} the file cannot be read, or is not a list of tokens */
  async open(): Promise<void> {
    await this.#file.open().catch((cause: Error) => {
      throw new ListenError(`HTTP_TOKENS_FILE=${this.#path} cannot be used: ${cause.message}`, {
        cause,
      });
    });
  }

  close(): void {
    this.#file.close();
  }

  /** Takes the same time for every token, known or not. */
  async callerOf(token: string): Promise<Caller | null> {
    const digest = hash('sha256', token, 'buffer');
    return this.#tokens
      .filter((each) => timingSafeEqual(each.digest, digest))
      .reduce<Caller | null>((_, { caller }) => caller, null);
  }

  #use(text: string): void {
    const parsed = tokenList.safeParse(parseJson(text));
    const [issue] = parsed.error?.issues ?? [];
    if (!parsed.success)
      throw new Error(`${issue?.path.join('.') || 'the list'}: ${issue?.message}`);
    this.#tokens = parsed.data.map(({ name, role, sha256 }) => ({
      caller: { name, role },
      digest: Buffer.from(sha256, 'hex'),
    }));
  }
}

/** Parses JSON. @throws the text is not JSON; unlike `JSON.parse`, the error shows no secret */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('it must be a JSON list of {"name", "role", "sha256"}');
  }
}
