/** One figure of a bench, as `--json` prints it. */
export interface Result {
  name: string;
  value: number;
  unit: string;
  /**
   * The promise of the project: the value is at most this, or at least this if it is a capacity. A row without a limit
   * has a reason in unlimited.ts.
   */
  limit?: number;
  /** Other figures of the same run. */
  [figure: string]: number | string | undefined;
}

/** Whether the promise is broken. A capacity must reach its limit; any other value is a cost and must not pass it. */
export function missed({ name, value, limit }: Result): boolean {
  if (limit === undefined) return false;
  return name.endsWith("capacity") ? value < limit : value > limit;
}
