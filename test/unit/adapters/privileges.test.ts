import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import {
  missingPrivileges,
  SERVICE_PRIVILEGES,
} from '../../../src/adapters/database/privileges.ts';

const DOCUMENT = new URL('../../../docs/security.md', import.meta.url);

/** The grants of the document to the service: `select on table products`. */
async function documented(): Promise<readonly string[]> {
  const document = await readFile(DOCUMENT, 'utf8');
  const statements = document.matchAll(/^grant (.+) on (table|sequence) (.+) to stock_service;$/gm);
  return [...statements].flatMap(([, privileges = '', kind, names = '']) =>
    names
      .split(', ')
      .flatMap((name) =>
        privileges.split(', ').map((privilege) => `${privilege} on ${kind} ${name}`),
      ),
  );
}

describe('the privileges of the service', () => {
  it('are those that docs/security.md grants', async () => {
    const checked = Object.entries(SERVICE_PRIVILEGES).flatMap(([object, privileges]) =>
      privileges.map((privilege) => `${privilege} on ${object}`),
    );
    expect(checked.toSorted()).toEqual((await documented()).toSorted());
  });

  it('that are missing are named together for each object', async () => {
    const row = (object: string, privilege: string) => ({ user: 'u', object, privilege });
    const answers = [
      [row('schema public', 'usage')],
      [row('table a', 'select'), row('table b', 'insert'), row('table a', 'delete')],
    ];
    const read = async () => (answers.shift() ?? []) as never[];
    expect(await missingPrivileges({ read }, { mayRebuild: false })).toMatchObject([
      { user: 'u', object: 'schema public', privileges: ['usage'] },
      { user: 'u', object: 'table a', privileges: ['select', 'delete'] },
      { user: 'u', object: 'table b', privileges: ['insert'] },
    ]);
  });
});
