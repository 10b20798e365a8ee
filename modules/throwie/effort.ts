/**
 * What a node has computed, counted where the computing is done.
 *
 * A simulator knows how long a frame is on the air, but not how long a board computes, and what costs nothing hides its
 * cost. So the parts of a node count their work here, in the units that cost a board time, and the simulator gives each
 * unit its price (sim/processor.ts). On a board nobody reads the counts.
 *
 * Invariant: the counts only grow. This class refuses to know any price.
 */
export class Effort {
  /** Frames that the radio brought. */
  received = 0;
  /** Of these, beacons. */
  beacons = 0;
  /** Frames that the radio took. */
  sent = 0;
  turns = 0;
  /** Ids that were mixed with a key (modules/rbsr/half-siphash.ts). */
  mixes = 0;
  /** Ids that were sorted, for a reconciliation. */
  sorted = 0;
  /** Slices of Drops that were hashed, and slices that ended a hash. */
  slices = 0;
  hashes = 0;
}
