/**
 * A range of one set: the positions `low` to `high`, both included, and my items there, from index `from` up to, not
 * including, `to`. These four numbers go from function to function together, so they are one record, which is reused.
 */
export class Range {
  low = 0;
  high = 0;
  from = 0;
  to = 0;
}
