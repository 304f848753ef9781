/** How much a replay has to do. */
export interface Workload {
  readonly total: number;
  /** How much an interrupted replay has done before. */
  readonly done: number;
  readonly unit: string;
  /** Tells after an interruption how to go on. A getter may name the present place. */
  readonly howToGoOn: string;
  /** What --resume takes to go on from the present place. Absent: the replay finds its place. */
  readonly resume?: string;
}
