/** How much a replay has to do. */
export interface Workload {
  readonly total: number;
  /** How much an interrupted replay has done before. */
  readonly done: number;
  readonly unit: string;
  /** Tells after an interruption how to go on. A getter may say where the work is now. */
  readonly howToGoOn: string;
  /** What --resume takes to go on from here. Absent: the replay itself knows where to go on. */
  readonly resume?: string;
}
