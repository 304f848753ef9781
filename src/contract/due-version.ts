import type { ContractChange } from './contract-changes.ts';

/** The part of a version number that a release must raise. */
export type Level = 'major' | 'minor' | 'patch' | 'none';

/** Returns which part of the version number the changes ask for (Semantic Versioning 2.0). */
export function dueLevel(changes: readonly ContractChange[]): Level {
  const effects = new Set(changes.map(({ effect }) => effect));
  if (effects.has('breaks')) return 'major';
  if (effects.has('adds')) return 'minor';
  return effects.has('words') ? 'patch' : 'none';
}

/** Raises a version number such as `1.4.2`. */
export function raised(version: string, level: Level): string {
  const parts = version.split('.').map((part) => Number.parseInt(part, 10));
  const [major = 0, minor = 0, patch = 0] = parts;
  const next: Readonly<Record<Level, readonly number[]>> = {
    major: [major + 1, 0, 0],
    minor: [major, minor + 1, 0],
    patch: [major, minor, patch + 1],
    none: [major, minor, patch],
  };
  return next[level].join('.');
}
