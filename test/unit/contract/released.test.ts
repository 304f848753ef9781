import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compareApis, readApi } from '../../../src/contract/api-changes.ts';
import { asyncApiDocument } from '../../../src/contract/asyncapi.ts';
import { type ContractChange, compareContracts } from '../../../src/contract/contract-changes.ts';
import { openApi } from '../../../src/contract/openapi.ts';
import { DocumentError, readDocument } from '../../../src/contract/read-document.ts';
import { packageVersion } from '../../../src/package-version.ts';

const root = join(import.meta.dirname, '..', '..', '..');

describe('A document', () => {
  it.each([
    ['other YAML', 'a: 1'],
    ['another specification', 'openapi: 3.1.0'],
    ['no YAML', 'a: [1'],
    ['nothing', ''],
  ])('that is %s is refused', (_, text) => {
    expect(() => readDocument(text)).toThrow(DocumentError);
  });
});

const textOf = (name: string) => readFileSync(join(root, 'contract/released', name), 'utf8');

/** Lists what breaks something of a release. A new major version may break anything. */
function breaksOf(changes: readonly ContractChange[], releasedVersion: string): readonly string[] {
  const breaks = changes.filter(({ effect, isAnnounced }) => effect === 'breaks' && !isAnnounced);
  const isNewMajor = Number.parseInt(packageVersion(), 10) > Number.parseInt(releasedVersion, 10);
  return isNewMajor ? [] : breaks.map(({ where, text }) => `${where} ${text}`);
}

describe('The contract of this release', () => {
  it('breaks nothing of the last one without a new version of the type', () => {
    const released = readDocument(textOf('asyncapi.yaml'));
    const changes = compareContracts(released, asyncApiDocument(packageVersion()));
    expect(
      breaksOf(changes, released.info.version),
      'add a version of the type, or raise the major version: CONTRIBUTING.md says how',
    ).toEqual([]);
  });

  it('breaks no route of the last one', async () => {
    const released = readApi(JSON.parse(textOf('openapi.json')));
    const changes = compareApis(released, readApi(await openApi()));
    expect(
      breaksOf(changes, released.info.version),
      'keep the route as it was, or raise the major version',
    ).toEqual([]);
  });
});
