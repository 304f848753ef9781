import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { asyncApiDocument } from '../../../src/contract/asyncapi.ts';
import { compareContracts } from '../../../src/contract/contract-changes.ts';
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

describe('The contract of this release', () => {
  const released = readDocument(
    readFileSync(join(root, 'contract/released/asyncapi.yaml'), 'utf8'),
  );

  it('breaks nothing of the last one without a new version of the type', () => {
    const breaks = compareContracts(released, asyncApiDocument(packageVersion())).filter(
      ({ effect, isAnnounced }) => effect === 'breaks' && !isAnnounced,
    );
    const isNewMajor =
      Number.parseInt(packageVersion(), 10) > Number.parseInt(released.info.version, 10);
    expect(
      isNewMajor ? [] : breaks.map(({ where, text }) => `${where} ${text}`),
      'add a version of the type, or raise the major version: CONTRIBUTING.md says how',
    ).toEqual([]);
  });
});
