import type { z } from 'zod';
import { AllocationError } from '../domain/errors.ts';

type Data = Readonly<Record<string, unknown>>;

/**
 * Makes data of the next version. An upcaster must be pure. It must accept any object, because
 * nobody has checked the data yet. It drops the old names of fields that it renames, and passes all
 * other fields on. A field that the next version does not know counts as unknown.
 */
type Upcaster = (data: Data) => Data;

/** The versions of one type of message. All of them stay readable (docs/decisions/0015). */
export interface Versions<Schema> {
  /** The newest version, which this service writes. */
  readonly current: number;
  /** Checks data of the newest version. Older data is upcast first. */
  readonly schema: Schema;
  /** The step to the next version, by each version before the newest. */
  readonly upcasters: Readonly<Record<number, Upcaster>>;
  /** The data of each version before the newest. Only the contract reads these schemas. */
  readonly former?: Readonly<Record<number, z.ZodType>>;
}

/**
 * The data has a version that this service does not know, or does not fit its version. The message
 * says why in one sentence.
 */
export class UnfitDataError extends AllocationError {
  override readonly code = 'invalid-data';
}

/** The version of a message that names none: the message is older than versions. */
export const FIRST_VERSION = 1;

/** The path of all schemas of this service. */
export const SCHEMAS_PATH = '/allocation/schemas';
const SCHEMAS = `${SCHEMAS_PATH}/`;

/** Makes the CloudEvents attribute `dataschema`, a URI reference with the type and the version. */
export function dataschemaOf(type: string, version: number): string {
  return `${SCHEMAS}${type}/${version}`;
}

/**
 * Reads the version from a `dataschema`.
 *
 * @param current the newest version of the type
 * @returns null: the schema is not this service's
 * @throws {UnfitDataError} the schema is this service's, but of another type or an unknown version
 */
export function versionOf(type: string, dataschema: string, current: number): number | null {
  if (dataschema === dataschemaOf(type, current)) return current;
  if (!dataschema.startsWith(SCHEMAS)) return null;
  const [name, version, ...more] = dataschema.slice(SCHEMAS.length).split('/');
  if (name !== type || more.length > 0 || !/^[1-9]\d{0,8}$/.test(version ?? '')) {
    throw new UnfitDataError(
      `The dataschema "${dataschema.slice(0, 120)}" is not a schema of ${type}; ` +
        `use ${dataschemaOf(type, current)}`,
    );
  }
  if (Number(version) > current) {
    throw new UnfitDataError(
      `${type} has version ${version}, but this service knows versions up to ${current}: ` +
        'update the service',
    );
  }
  return Number(version);
}

/**
 * Turns data of an older version into data of the newest version, unchecked.
 *
 * @param version the version of `data`
 * @throws {UnfitDataError} the data does not fit its version
 */
export function upcast(
  type: string,
  data: unknown,
  version: number,
  { current, upcasters }: Versions<unknown>,
): unknown {
  let newer = data;
  if (typeof data !== 'object' || data === null) return data;
  for (let from = version; from < current; from += 1) {
    try {
      newer = upcasters[from]?.(newer as Data);
    } catch (error) {
      throw new UnfitDataError(
        `${type} of version ${from} cannot be read: ${(error as Error).message}`,
        { cause: error },
      );
    }
  }
  return newer;
}
