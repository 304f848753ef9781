import { type Command, Option } from 'commander';
import { ROLES, type Role } from '../entrypoints/http/doors/access.ts';
import { UsageError } from './errors.ts';
import { jsonOption, print, printJson } from './output.ts';

interface TokenOptions {
  readonly name: string;
  readonly role: Role;
  readonly json: boolean;
}

/** Adds `allocation token`. */
export function addToken(program: Command): void {
  program
    .command('token')
    .description('make tokens for callers of the HTTP API')
    .command('create')
    .description('print a new token, and the line for the list in HTTP_TOKENS_FILE')
    .requiredOption('--name <name>', 'who calls with the token, such as a service')
    .addOption(
      new Option('--role <role>', 'what the token allows; each role includes those before it')
        .choices(ROLES)
        .makeOptionMandatory(),
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation token create --name shop --role publish
  $ npx allocation token create --name dashboard --role read --json

The file is a JSON list of such lines: [{"name":"shop","role":"publish","sha256":"…"}]. It has only
the hash, so the token is shown once. The service reads the file again when it changes.`,
    )
    .action(createToken);
}

async function createToken({ name, role, json }: TokenOptions): Promise<void> {
  const { isTokenName, newToken } = await import('../entrypoints/http/doors/token-list.ts');
  if (!isTokenName(name))
    throw new UsageError('--name must have 1 to 100 characters, and no control characters');
  const { withAudit } = await import('./with-audit.ts');
  const act = { act: 'token create', on: [name], options: { role } } as const;
  const { token, listed } = await withAudit({ createsLog: false }, ({ audit }) =>
    audit.carryOut(act, async () => newToken(name, role)),
  );
  if (json) return printJson({ token, listed });
  print(`The token, which is shown only once:\n\n  ${token}\n`);
  print(`The line for the list in HTTP_TOKENS_FILE:\n\n  ${JSON.stringify(listed)}`);
}
