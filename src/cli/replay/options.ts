import { type Command, Option } from 'commander';
import { type Bound, type Bounds, isEmptyRange } from '../../replay/bounds.ts';
import { parseCount } from '../command-arguments.ts';
import { UsageError } from '../errors.ts';
import { jsonOption } from '../output.ts';

/** The options that every replay takes. */
export interface ReplayOptions {
  /** False: ask on a terminal, and do nothing elsewhere. */
  readonly execute: boolean;
  readonly maxRate?: number;
  readonly json: boolean;
}

/** Adds the options that every replay takes. */
export function addReplayOptions(command: Command): Command {
  return command.addOption(executeOption()).addOption(maxRateOption()).addOption(jsonOption());
}

/** Makes the option `--execute`. */
export function executeOption(): Option {
  return new Option('--execute', 'act without asking').default(false);
}

/** Makes the option `--max-rate`. */
export function maxRateOption(): Option {
  return new Option('--max-rate <records>', 'read at most this many records per second').argParser(
    parseCount,
  );
}

/** Makes the option `--skip-foreign`. */
export function skipForeignOption(): Option {
  return new Option(
    '--skip-foreign',
    'skip and count records that others wrote into the events topic',
  ).default(false);
}

/**
 * Reads a bound: an offset, or a moment in ISO 8601.
 * @throws {UsageError} the text is neither, or the moment lies in the future
 */
export function parseBound(text: string, nowMs: number): Bound {
  if (/^\d{1,15}$/.test(text)) return { offset: Number(text) };
  const timeMs = /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d)?)?$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(timeMs))
    throw new UsageError(`${text} is neither an offset nor a time such as 2026-11-26T08:00:00Z`);
  if (timeMs > nowMs)
    throw new UsageError(
      `${text} lies in the future: name a time before ${new Date(nowMs).toISOString()}`,
    );
  return { timeMs };
}

/**
 * Reads --from and --to.
 * @throws {UsageError} a text is no offset and no past time, or no record can lie between them
 */
export function parseRange({ from, to }: { readonly from?: string; readonly to?: string }): Bounds {
  const nowMs = Date.now();
  const parse = (text: string | undefined) => (text === undefined ? null : parseBound(text, nowMs));
  const range = { from: parse(from), to: parse(to) };
  if (isEmptyRange(range))
    throw new UsageError(
      `--from ${from} --to ${to} is an empty range: --to is exclusive, and must lie after --from`,
    );
  return range;
}
