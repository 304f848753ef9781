import { Migration } from '@mikro-orm/migrations';

const PARKED = 'id, subjects, behind, position, is_redriven';
/** Follows the original id in the id of a command that replaced another command. */
const EDITED = '/edited-';

/**
 * Identifies commands by source and id. The existing rows have only ids, and stay valid for every
 * source (`processed-commands.ts`, `parked-commands.ts`). An instance of the former release that
 * still runs writes the same kind of row, with the same statements as before.
 */
export class Migration20261126210000 extends Migration {
  override async up(): Promise<void> {
    await this.execute('alter table processed_commands add column scope int not null default 0');
    await this.#rekeyParked(
      `identity text not null default ''`,
      'replaces text null',
      'id, identity',
    );
    const parked = await this.#readEdited();
    for (const { id } of parked) {
      const original = id.split(EDITED).slice(0, -1).join(EDITED);
      await this.execute('update parked_commands set replaces = ? where id = ?', [
        `\t\t${original}`,
        id,
      ]);
    }
  }

  /**
   * Refuses parked commands that differ only in their sources, because the former table has one row
   * for an id.
   */
  override async down(): Promise<void> {
    const [twice] = (await this.execute(
      'select id from parked_commands group by id having count(*) > 1',
    )) as unknown as [Id?];
    if (twice)
      throw new Error(
        `Several parked commands have the id ${twice.id}: redrive or discard them first`,
      );
    // Deletes the identities, which former releases do not know. The rows that those releases read
    // stay.
    await this.execute(`delete from processed_commands where id like '%\t%'`);
    await this.execute('alter table processed_commands drop column scope');
    await this.#rekeyParked('', '', 'id');
  }

  async #readEdited(): Promise<readonly Id[]> {
    return (await this.execute(
      `select id from parked_commands where id like '%${EDITED}%'`,
    )) as unknown as readonly Id[];
  }

  /** Changes the primary key. SQLite cannot do that, so the table is created anew there. */
  async #rekeyParked(identity: string, replaces: string, key: string): Promise<void> {
    const columns = [
      'id text not null',
      identity,
      'subjects text not null',
      'behind text not null',
      'position bigint not null',
    ];
    const all = [...columns, 'is_redriven int not null', replaces]
      .filter((column) => column !== '')
      .join(', ');
    if (this.driver.getPlatform().constructor.name === 'SqlitePlatform') {
      await this.execute('alter table parked_commands rename to former_parked_commands');
      await this.execute(`create table parked_commands (${all}, primary key (${key}))`);
      await this.execute(
        `insert into parked_commands (${PARKED}) select ${PARKED} from former_parked_commands`,
      );
      await this.execute('drop table former_parked_commands');
      return;
    }
    await this.execute('alter table parked_commands drop constraint parked_commands_pkey');
    if (identity === '')
      for (const column of ['identity', 'replaces'])
        await this.execute(`alter table parked_commands drop column ${column}`);
    else
      for (const column of [identity, replaces])
        await this.execute(`alter table parked_commands add column ${column}`);
    await this.execute(`alter table parked_commands add primary key (${key})`);
  }
}

interface Id {
  readonly id: string;
}
