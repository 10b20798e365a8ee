/** What the store counts for an operator, from its construction on. */
export class StoreCounters {
  inserted = 0;
  evicted = 0;
  removed = 0;
  /** Of those removed, the ones whose hash was not right: bits that flipped, or a peer that lied. */
  damaged = 0;
  /** Bodies copied to free a sector. */
  moved = 0;
  checkpoints = 0;
  /** Found at mount: records that a cut tore, or wear; records that do not fit the sector they name. */
  torn = 0;
  corrupt = 0;
  /** Drops given up because sectors wore out, or because hundreds of cuts during the log's own cleaning had filled it. */
  sacrificed = 0;
}
