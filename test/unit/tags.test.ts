import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { joinPatterns } from '../support/join-patterns.ts';

const root = join(import.meta.dirname, '..', '..');
const textOf = (file: string) => readFileSync(join(root, file), 'utf8');

/** Finds what a file loads at run time: imports of values, and programs that it names by URL. */
const LOADS = joinPatterns(
  /^(?:import|export)\s(?!type\b)(?:(?<names>[^;'"]*?)\sfrom\s)?'(?<from>\.[^']+)'/gm,
  /|(?:import|new URL)\(\s*'(?<program>\.[^']+)'/,
);

function loadedBy(file: string): readonly string[] {
  const loads = [...textOf(file).matchAll(LOADS)].map(({ groups = {} }) => groups);
  return loads
    .filter(({ names }) => !isOnlyTypes(names))
    .map(({ from, program }) => join(dirname(file), from ?? program ?? ''))
    .filter((path) => path.endsWith('.ts') && existsSync(join(root, path)));
}

function isOnlyTypes(names: string | undefined): boolean {
  const inBraces = names?.match(/^\{(?<inner>.*)\}$/s)?.groups?.inner;
  if (inBraces === undefined) return false;
  return inBraces.split(',').every((name) => name.trim() === '' || name.trim().startsWith('type '));
}

/** Everything that a file loads, directly or through others. */
function reachedBy(file: string): ReadonlySet<string> {
  const reached = new Set([file]);
  for (const each of reached) for (const next of loadedBy(each)) reached.add(next);
  return reached;
}

const OPENS_A_DATABASE = new Set(['src/adapters/database/database.ts', 'src/cli/command-line.ts']);
const STARTS_KAFKA = new Set([
  'test/support/kafka.ts',
  'test/support/kafka-java/cluster.ts',
  'test/support/kafka-java/secure-broker.ts',
]);
const STARTS_A_BROWSER = 'test/support/browser.ts';
/** Its tests on Kafka carry the tag themselves, beside the same tests on the embedded broker. */
const TAGS_ITS_OWN = 'test/support/running-service.ts';

function needs(file: string): readonly string[] {
  const reached = [...reachedBy(file)];
  const takes = (what: string) =>
    reached.some((each) => each.startsWith('test/') && textOf(each).includes(`inject('${what}')`));
  const kafka = reached.some((each) => STARTS_KAFKA.has(each));
  const shared = reached
    .filter((each) => each !== TAGS_ITS_OWN && each.startsWith('test/'))
    .some((each) => textOf(each).includes("inject('kafkaBrokers')"));
  return [
    ...(reached.some((each) => OPENS_A_DATABASE.has(each)) || takes('postgresUrl') ? ['db'] : []),
    ...(kafka || shared ? ['kafka'] : []),
    ...(reached.includes(STARTS_A_BROWSER) ? ['browser'] : []),
  ];
}

const files = globSync('test/**/*.test.ts', { cwd: root }).filter(
  (file) => file !== 'test/unit/tags.test.ts',
);

describe('The tags of test files', () => {
  it.each(files)('name what the file opens: %s', (file) => {
    const tags = [...textOf(file).matchAll(/^\/\/ @module-tag (\w+)$/gm)].map(([, tag]) => tag);
    expect(tags.filter((tag) => tag !== 'slow' && tag !== 'campaign')).toEqual(needs(file));
  });
});
