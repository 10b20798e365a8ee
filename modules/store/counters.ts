/** What the store counts for an operator, since its constructor. */
export class StoreCounters {
  inserted = 0;
  evicted = 0;
  removed = 0;
  /** Of the removed Drops, those whose hash was wrong: bits flipped, or a peer lied. */
  damaged = 0;
  /** Bodies that were copied to free a sector. */
  moved = 0;
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
