/**
 * A range of one set: positions `low` to `high`, both in it, and my items there, index `from` up to, not including, `to`.
 * A record that is reused: four numbers that go from function to function together.
 */
export class Range {
  low = 0;
  high = 0;
  from = 0;
  to = 0;
}
