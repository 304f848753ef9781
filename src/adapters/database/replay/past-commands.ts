import { formerIdentity, type Identity, idOf } from '../../../domain/identity.ts';
import type { Database } from '../database.ts';
import { jsonRows } from '../json-rows.ts';

/** A command of a lane, as the commands topic holds it. */
export interface PastCommand {
  /** `topic/partition` */
  readonly lane: string;
  readonly offset: number;
  readonly timestampMs: number;
  readonly identity: Identity;
  /** The command as JSON. Null: the record there is not a readable command. */
  readonly command: string | null;
  /** The reference of the batch that the command creates. Null: it creates none. */
  readonly reference: string | null;
}

/** The answer that was published for the command at that place, or one part of a split answer. */
export interface PastAnswer {
  readonly lane: string;
  readonly offset: number;
  /** The number of the part's first event. */
  readonly part: number;
  readonly identity: Identity;
  readonly timeMs: number;
  /** The events as a JSON array. */
  readonly events: string;
}

/** The event that created a batch. */
export interface PastBatch {
  readonly reference: string;
  readonly sku: string;
  readonly sequence: number;
}

/** A command together with its answer. */
export interface PastCommandWithAnswer extends Omit<PastCommand, 'timestampMs' | 'reference'> {
  /** Null: the topic no longer holds the command, only its answer. */
  readonly timestampMs: number | null;
  /** When the command was answered. Null: no answer was published. */
  readonly timeMs: number | null;
  /** The events of each part, as a JSON array. */
  readonly answer: readonly string[];
  readonly isDead: boolean;
  /** Whether an answer was published for this command's identity at any place. */
  readonly isAnsweredAnywhere: boolean;
  /** The creation of the batch with this command's reference. Null: there is none. */
  readonly batch: Omit<PastBatch, 'reference'> | null;
}

interface Row {
  readonly source_offset: number;
  readonly timestamp_ms: number | null;
  readonly identity: string;
  readonly command: string | null;
  readonly is_dead: number;
  readonly is_answered_anywhere: number;
  readonly sku: string | null;
  readonly sequence: number;
}

interface AnswerRow {
  readonly source_offset: number;
  readonly time_ms: number;
  readonly events: string;
}

/**
 * Stages past commands and their answers in a scratch database. They arrive in any order, and are
 * read lane by lane.
 */
export class PastCommands {
  readonly #database: Database;

  /** @param database a SQLite database for temporary use */
  constructor(database: Database) {
    this.#database = database;
  }

  /** Creates the tables. */
  async prepare(): Promise<void> {
    const place = 'lane text not null, source_offset bigint not null';
    for (const table of [
      `past_commands (${place}, timestamp_ms bigint null, identity text not null,
        former_identity text not null, command text null, reference text null,
        primary key (lane, source_offset))`,
      `past_answers (${place}, part int not null, identity text not null,
        time_ms bigint not null, events text not null, primary key (lane, source_offset, part))`,
      `past_batches (reference text not null primary key, sku text not null,
        sequence bigint not null)`,
      `past_dead_letters (place text not null primary key)`,
    ]) {
      await this.#database.query(`create table ${table} without rowid`);
    }
  }

  /** Stages commands. */
  async addCommands(commands: readonly PastCommand[]): Promise<void> {
    const rows = commands.map(({ lane, offset, timestampMs, identity, command, reference }) => {
      return [
        lane,
        offset,
        timestampMs,
        identity,
        formerIdentity(idOf(identity)),
        command,
        reference,
      ];
    });
    const identities = { identity: 'text', former_identity: 'text' } as const;
    const columns = {
      ...PLACE,
      timestamp_ms: 'bigint',
      ...identities,
      command: 'text',
      reference: 'text',
    } as const;
    await this.#add('past_commands', columns, rows);
  }

  /** Stages answers. Two answers with one place and part are the same, so the first one counts. */
  async addAnswers(answers: readonly PastAnswer[], batches: readonly PastBatch[]): Promise<void> {
    const rows = answers.map((each) => [
      each.lane,
      each.offset,
      each.part,
      each.identity,
      each.timeMs,
      each.events,
    ]);
    const columns = {
      ...PLACE,
      part: 'bigint',
      identity: 'text',
      time_ms: 'bigint',
      events: 'text',
    } as const;
    await this.#add('past_answers', columns, rows);
    const created = batches.map(({ reference, sku, sequence }) => [reference, sku, sequence]);
    await this.#add(
      'past_batches',
      { reference: 'text', sku: 'text', sequence: 'bigint' },
      created,
    );
  }

  /**
   * Stages which commands went to the dead letters.
   * @param places the commands' `topic/partition/offset`
   */
  async addDeadLetters(places: readonly string[]): Promise<void> {
    await this.#add(
      'past_dead_letters',
      { place: 'text' },
      places.map((place) => [place]),
    );
  }

  /**
   * Ends the staging. Call this before `page`.
   * @returns the lanes, and the number of commands of which only the answer is left
   */
  async complete(): Promise<{ readonly lanes: readonly string[]; readonly gone: number }> {
    await this.#database.query(
      'create index past_answers_identity_index on past_answers (identity)',
    );
    const gone = await this.#database.transaction((sql) =>
      sql.run(
        `insert into past_commands (lane, source_offset, identity, former_identity)
         select lane, source_offset, identity, identity from past_answers where true
         on conflict do nothing`,
      ),
    );
    const lanes = await this.#database.query<{ lane: string }>(
      'select distinct lane from past_commands order by lane',
    );
    return { lanes: lanes.map(({ lane }) => lane), gone };
  }

  /** Returns the next commands of a lane, in order. */
  async page(
    lane: string,
    fromOffset: number,
    atMost: number,
  ): Promise<readonly PastCommandWithAnswer[]> {
    const rows = await this.#database.query<Row>(PAGE, [lane, fromOffset, atMost]);
    const answers = await this.#database.query<AnswerRow>(
      `select source_offset, time_ms, events from past_answers
       where lane = ? and source_offset between ? and ? order by source_offset, part`,
      [lane, fromOffset, rows.at(-1)?.source_offset ?? fromOffset],
    );
    const byOffset = Map.groupBy(answers, (each) => each.source_offset);
    return rows.map((row) => {
      const answer = byOffset.get(row.source_offset) ?? [];
      return {
        lane,
        offset: row.source_offset,
        timestampMs: row.timestamp_ms,
        identity: row.identity,
        command: row.command,
        timeMs: answer[0]?.time_ms ?? null,
        answer: answer.map(({ events }) => events),
        isDead: row.is_dead === 1,
        isAnsweredAnywhere: row.is_answered_anywhere === 1,
        batch: row.sku === null ? null : { sku: row.sku, sequence: row.sequence },
      };
    });
  }

  async #add(
    table: string,
    columns: Parameters<typeof jsonRows>[1],
    rows: readonly (readonly unknown[])[],
  ): Promise<void> {
    if (rows.length === 0) return;
    const names = Object.keys(columns).join(', ');
    await this.#database.query(
      `insert into ${table} (${names})
       select ${names} from ${jsonRows('sqlite', columns)} as added where true
       on conflict do nothing`,
      [JSON.stringify(rows)],
    );
  }
}

const PLACE = { lane: 'text', source_offset: 'bigint' } as const;

const PAGE = `select past_commands.source_offset, timestamp_ms, identity, command,
    past_batches.sku, past_batches.sequence,
    exists (select 1 from past_dead_letters
      where place = past_commands.lane || '/' || past_commands.source_offset) as is_dead,
    exists (select 1 from past_answers
      where identity in (past_commands.identity, past_commands.former_identity)
    ) as is_answered_anywhere
  from past_commands
  left join past_batches on past_batches.reference = past_commands.reference
  where past_commands.lane = ? and past_commands.source_offset >= ?
  order by past_commands.source_offset limit ?`;
