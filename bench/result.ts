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

/** Is the promise broken? A capacity is to be reached; everything else is a cost. */
export function missed({ name, value, limit }: Result): boolean {
  if (limit === undefined) return false;
  return name.endsWith("capacity") ? value < limit : value > limit;
}
