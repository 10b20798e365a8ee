/** One figure of a bench, as `--json` prints it. */
export interface Result {
  name: string;
  value: number;
  unit: string;
  /** What the project promises: at most this, or at least this for a capacity. */
  limit?: number;
  /** Further figures of the same run. */
  [figure: string]: number | string | undefined;
}
