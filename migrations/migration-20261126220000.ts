import { Migration } from '@mikro-orm/migrations';

const OLD = 'delete from parked_subjects where id = old.id and identity = old.identity;';

/**
 * Creates an index that finds parked commands by their subjects. Triggers maintain the index,
 * because an instance of the former release that still runs writes only `parked_commands`.
 */
export class Migration20261126220000 extends Migration {
  override async up(): Promise<void> {
    await this.execute(
      `create table parked_subjects (subject text not null, id text not null, identity text not null,
       primary key (subject, id, identity))`,
    );
    await this.execute('create index parked_subjects_of_command on parked_subjects (id, identity)');
    await this.execute('create index parked_commands_position on parked_commands (position)');
    await this.execute(
      `insert into parked_subjects (subject, id, identity)
       select distinct value, parked_commands.id, parked_commands.identity from parked_commands, ${this.#isSqlite ? 'json_each(subjects)' : elements('subjects')}`,
    );
    await (this.#isSqlite ? this.#triggersOnSqlite() : this.#triggerOnPostgres());
  }

  override async down(): Promise<void> {
    if (this.#isSqlite) {
      for (const event of ['insert', 'update', 'delete'])
        await this.execute(`drop trigger parked_subjects_on_${event}`);
    } else {
      await this.execute('drop trigger parked_subjects_kept on parked_commands');
      await this.execute('drop function keep_parked_subjects()');
    }
    await this.execute('drop index parked_commands_position');
    await this.execute('drop table parked_subjects');
  }

  get #isSqlite(): boolean {
    return this.driver.getPlatform().constructor.name === 'SqlitePlatform';
  }

  async #triggersOnSqlite(): Promise<void> {
    const insert = `insert into parked_subjects (subject, id, identity)
      select distinct value, new.id, new.identity from json_each(new.subjects);`;
    for (const [event, work] of [
      ['insert', insert],
      ['update', OLD + insert],
      ['delete', OLD],
    ]) {
      await this.execute(
        `create trigger parked_subjects_on_${event} after ${event} on parked_commands begin ${work} end`,
      );
    }
  }

  async #triggerOnPostgres(): Promise<void> {
    await this.execute(
      `create function keep_parked_subjects() returns trigger language plpgsql as $$ begin
         if tg_op <> 'INSERT' then ${OLD} end if;
         if tg_op <> 'DELETE' then
           insert into parked_subjects (subject, id, identity)
             select distinct value, new.id, new.identity from ${elements('new.subjects')};
         end if;
         return null;
       end $$`,
    );
    await this.execute(
      `create trigger parked_subjects_kept after insert or update or delete on parked_commands
       for each row execute function keep_parked_subjects()`,
    );
  }
}

/** Returns the texts of a JSON array as rows, in a column named `value`. */
function elements(array: string): string {
  return `jsonb_array_elements_text(cast(${array} as jsonb)) as subjects_of (value)`;
}
