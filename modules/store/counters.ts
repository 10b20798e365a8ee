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
  /** Found at mount: records that a power cut left incomplete. */
  torn = 0;
  /** Found at mount: Drops whose records could not be read, and that were found all the same. */
  repaired = 0;
  /**
   * Drops that were given up because sectors wore out, or because hundreds of power cuts during cleaning filled the
   * log.
   */
  sacrificed = 0;
}

/** What a mount missed on the flash that no power cut takes away (docs/store.md, "Damage"). Zeros: nothing. */
export class StoreDamage {
  /** Sectors of the log that are missing, or whose header cannot be read. Each named up to a hundred Drops. */
  logSectors = 0;
  /** Records that cannot be read, and Drops whose bodies are gone although their records are there. */
  records = 0;
}
