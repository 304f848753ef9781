import type { Database } from '../adapters/database/database.ts';
import { writePause } from '../adapters/database/lanes/pause-rows.ts';
import type { Audit } from '../audit/audit.ts';
import { laneName } from '../domain/place.ts';
import type { LanePause } from '../service-layer/lane-store.ts';

interface LaneControlOptions {
  readonly database: Pick<Database, 'transaction'>;
  /** The topic of the commands. */
  readonly topic: string;
  /** Makes the audit of the operator who acts. */
  readonly audit: (by: string) => Audit;
  /** Makes the lanes of this process notice the change at once. */
  readonly heed?: () => Promise<void>;
}

/**
 * Pauses and resumes lanes for operators. The lanes may work in this process or in another one.
 *
 * Every method rejects with `UnauditedError` if the audit topic cannot be written, and with
 * `TroubleError` if the database cannot be reached. Then nothing was changed.
 */
export class LaneControl {
  readonly #options: LaneControlOptions;

  constructor(options: LaneControlOptions) {
    this.#options = options;
  }

  /**
   * Pauses the lane. The lane ends the transaction that it has in hand. An owner in another process
   * may begin transactions for one more second.
   *
   * @param by who pauses the lane
   * @returns null: the service has never opened such a lane
   */
  async pause(partition: number, reason: string, by: string): Promise<LanePause | null> {
    const pause = { by, at: new Date().toISOString(), reason };
    return (await this.#change(partition, pause, by)) ? pause : null;
  }

  /**
   * Resumes the lane. Its owner goes on within a second. A lane that is not paused stays as it is.
   *
   * @param by who resumes the lane
   * @returns false: the service has never opened such a lane
   */
  resume(partition: number, by: string): Promise<boolean> {
    return this.#change(partition, null, by);
  }

  #change(partition: number, pause: LanePause | null, by: string): Promise<boolean> {
    const { database, topic, audit, heed } = this.#options;
    const lane = laneName({ topic, partition });
    const act = {
      act: pause ? 'lanes pause' : 'lanes resume',
      on: [lane],
      options: pause ? { reason: pause.reason } : {},
    } as const;
    return audit(by).carryOut(act, async (report) => {
      const isThere = await writePause(database, { topic, partition }, pause);
      if (isThere) report.done(lane);
      else report.failed(`The service has never opened the lane ${lane}`);
      // A failure is harmless, because the lanes read the pauses once a second in any case.
      await heed?.().catch(() => {});
      return isThere;
    });
  }
}
