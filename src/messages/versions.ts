type Data = Readonly<Record<string, unknown>>;

/** Makes data of the next version: pure, and of any object, since nobody has checked it yet. */
export type Upcaster = (data: Data) => Data;

/** The versions of one type of message. An old one stays readable for ever: see docs/decisions/0015. */
export interface Versions<Schema> {
  /** The newest: what is written today. */
  readonly current: number;
  /** Checks the newest: what is older is brought there first. */
  readonly schema: Schema;
  /** From each version before the newest to the one after it. */
  readonly upcasters: Readonly<Record<number, Upcaster>>;
}

/** The data are of a version that is not known here, or not what their version promises: one sentence says why. */
export class UnfitDataError extends Error {
  readonly code = 'invalid-data';
}

/** A message that says nothing of its version is of this one: it is older than versions are. */
export const FIRST_VERSION = 1;

const SCHEMAS = '/allocation/schemas/';

/** The CloudEvents attribute `dataschema`: a URI-reference that names type and version. */
export function dataschemaOf(type: string, version: number): string {
  return `${SCHEMAS}${type}/${version}`;
}

/**
 * The version that a `dataschema` names; null: it is not one of this service's.
 * @throws {UnfitDataError} it is, but this service does not know it
 */
export function versionOf(type: string, dataschema: string, current: number): number | null {
  if (dataschema === dataschemaOf(type, current)) return current;
  if (!dataschema.startsWith(SCHEMAS)) return null;
  const [name, version, ...more] = dataschema.slice(SCHEMAS.length).split('/');
  if (name !== type || more.length > 0 || !/^[1-9]\d{0,8}$/.test(version ?? '')) {
    throw new UnfitDataError(
      `The dataschema "${dataschema.slice(0, 120)}" is no schema of ${type} (${dataschemaOf(type, current)} is)`,
    );
  }
  if (Number(version) > current) {
    throw new UnfitDataError(
      `${type} is of version ${version}, and this service knows it up to version ${current}: update the service`,
    );
  }
  return Number(version);
}

/**
 * Data of an older version as data of the newest.
 * @throws {UnfitDataError} they are not what their version promises
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
      );
    }
  }
  return newer;
}
