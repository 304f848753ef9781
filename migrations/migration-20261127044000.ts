import { Migration } from '@mikro-orm/migrations';

const COLUMNS = [
  'id text not null',
  `identity text not null default ''`,
  'subjects text not null',
  'behind text not null',
];
const REST = ['position bigint not null', 'is_redriven int not null', 'replaces text null'];
const NAMES = 'id, identity, subjects, behind, position, is_redriven, replaces';
/** The largest row of an index in PostgreSQL: a third of a page. */
const MAX_KEY_BYTES = 2_704;
/** The bytes of such a row besides its texts. */
const KEY_OVERHEAD_BYTES = 48;
const OLD = 'delete from parked_subjects where id = old.id and identity = old.identity;';

/**
 * Keeps the keys of parked commands short. With long names, a key of subject, id and identity was
 * larger than PostgreSQL allows. Now each index has one text, and a number is the primary key.
 *
 * The other columns stay, because an instance of the former release that still runs reads and
 * writes them. Releases before identities change the id in an edit and leave the identity. So two
 * rows may have the same identity.
 */
export class Migration20261127044000 extends Migration {
  override async up(): Promise<void> {
    await this.#dropSubjects();
    if (this.#isSqlite) {
      await this.#recreateParked([
        'number integer not null primary key autoincrement',
        ...COLUMNS,
        ...REST,
      ]);
    } else {
      await this.execute('alter table parked_commands drop constraint parked_commands_pkey');
      await this.#addNumbers();
      await this.execute('create index parked_commands_position on parked_commands (position)');
    }
    for (const index of [
      'index parked_commands_id on parked_commands (id)',
      `unique index parked_commands_former_unique on parked_commands (id) where identity = ''`,
    ])
      await this.execute(`create ${index}`);
    const number = this.#isSqlite
      ? 'number integer not null primary key autoincrement'
      : 'number bigserial primary key';
    await this.execute(
      `create table parked_subjects (${number}, subject text not null, id text not null, identity text not null)`,
    );
    await this.execute('create index parked_subjects_subject on parked_subjects (subject)');
    await this.execute('create index parked_subjects_of_command on parked_subjects (id)');
    await this.#fillSubjects();
  }

  /** Refuses parked commands whose names are too long for the former keys. */
  override async down(): Promise<void> {
    await this.#refuseLongKeys();
    await this.#dropSubjects();
    const key = 'primary key (id, identity)';
    if (this.#isSqlite) {
      await this.#recreateParked([...COLUMNS, ...REST, key]);
    } else {
      for (const index of ['id', 'former_unique'])
        await this.execute(`drop index parked_commands_${index}`);
      await this.execute('alter table parked_commands drop column number');
      await this.execute(`alter table parked_commands add ${key}`);
      await this.execute('create index parked_commands_position on parked_commands (position)');
    }
    await this.execute(
      `create table parked_subjects (subject text not null, id text not null, identity text not null,
       primary key (subject, id, identity))`,
    );
    await this.execute('create index parked_subjects_of_command on parked_subjects (id, identity)');
    await this.#fillSubjects();
  }

  get #isSqlite(): boolean {
    return this.driver.getPlatform().constructor.name === 'SqlitePlatform';
  }

  async #refuseLongKeys(): Promise<void> {
    if (this.#isSqlite) return;
    const [long] = (await this.execute(
      `select id from parked_subjects
       where octet_length(subject) + octet_length(id) + octet_length(identity) > ${MAX_KEY_BYTES - KEY_OVERHEAD_BYTES} limit 1`,
    )) as unknown as [{ readonly id: string }?];
    if (long)
      throw new Error(
        `The names in the parked command ${long.id} are too long for the former version: ` +
          'redrive or discard it first',
      );
  }

  async #dropSubjects(): Promise<void> {
    if (this.#isSqlite) {
      for (const event of ['insert', 'update', 'delete'])
        await this.execute(`drop trigger parked_subjects_on_${event}`);
    } else {
      await this.execute('drop trigger parked_subjects_kept on parked_commands');
    }
    await this.execute('drop index parked_commands_position');
    await this.execute('drop table parked_subjects');
  }

  /**
   * Adds the number in steps that keep the table's rows in place, so that a copy that has already
   * begun still sees them.
   */
  async #addNumbers(): Promise<void> {
    for (const step of [
      'alter table parked_commands add column number bigint',
      'create sequence parked_commands_number_seq owned by parked_commands.number',
      `update parked_commands set number = nextval('parked_commands_number_seq')`,
      `alter table parked_commands alter column number set default nextval('parked_commands_number_seq')`,
      'alter table parked_commands add primary key (number)',
    ])
      await this.execute(step);
  }

  /** Creates the table anew, because SQLite cannot change a primary key. */
  async #recreateParked(definitions: readonly string[]): Promise<void> {
    await this.execute('alter table parked_commands rename to former_parked_commands');
    await this.execute(`create table parked_commands (${definitions.join(', ')})`);
    await this.execute(
      `insert into parked_commands (${NAMES}) select ${NAMES} from former_parked_commands order by position`,
    );
    await this.execute('drop table former_parked_commands');
    await this.execute('create index parked_commands_position on parked_commands (position)');
  }

  /** Fills the index of subjects, and creates the triggers that maintain it. */
  async #fillSubjects(): Promise<void> {
    const subjects = this.#isSqlite
      ? 'json_each(subjects)'
      : 'jsonb_array_elements_text(cast(subjects as jsonb)) as subjects_of (value)';
    await this.execute(
      `insert into parked_subjects (subject, id, identity)
       select distinct value, parked_commands.id, parked_commands.identity from parked_commands, ${subjects}`,
    );
    if (!this.#isSqlite) {
      await this.execute(
        `create trigger parked_subjects_kept after insert or update or delete on parked_commands
         for each row execute function keep_parked_subjects()`,
      );
      return;
    }
    const insert = `insert into parked_subjects (subject, id, identity)
      select distinct value, new.id, new.identity from json_each(new.subjects);`;
    for (const [event, work] of [
      ['insert', insert],
      ['update', OLD + insert],
      ['delete', OLD],
    ])
      await this.execute(
        `create trigger parked_subjects_on_${event} after ${event} on parked_commands begin ${work} end`,
      );
  }
}
