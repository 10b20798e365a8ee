/**
 * The counters of a store.
 *
 * An operator wants to know how a store fares. So the store counts what it does, and what mount found. The counters are
 * only in RAM.
 */

/** What happened in a store since its constructor (`Store.counters`). */
export class StoreCounters {
  /** Drops that came in. */
  inserted = 0;
  /** Drops that died for a Drop that came in, or as a surplus at mount. */
  evicted = 0;
  /** Drops that `Store.remove` removed. */
  removed = 0;
  /** Of the removed Drops, those whose hash was wrong: bits flipped, or a peer lied. */
  damaged = 0;
  /** Bodies that were copied to free a sector. */
  moved = 0;
  /** Calls of `Store.checkpoint`. */
  checkpoints = 0;
  /** Found at mount: records that a power cut or wear left incomplete. */
  torn = 0;
  /** Found at mount: records that do not fit the sector that they name, and log sectors that are missing. */
  corrupt = 0;
  /**
   * Drops that were given up because sectors wore out, or because hundreds of power cuts during cleaning filled the
   * log.
   */
  sacrificed = 0;
}
