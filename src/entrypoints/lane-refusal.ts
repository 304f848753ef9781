import { TroubleError } from '../service-layer/errors.ts';

/** The database and the topics do not fit: answering would lose commands or repeat events. */
export class LaneRefusedError extends TroubleError {}

/** The topics have answers that a lost, restored or failed-over database lacks. */
export class OlderDatabaseError extends LaneRefusedError {}
