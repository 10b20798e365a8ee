/** The causes of death of a Drop (docs/store.md, "Deaths"). They stand in close records. */

/** A newer record of the Drop took this record's place. No Drop died. */
export const SUPERSEDED = 0;
/** The store was full, and the Drop was the coldest. */
export const COLDEST = 1;
/** The Drop's hash is not the announced one, or bits flipped. */
export const CORRUPT = 2;
/** The Drop was the oldest newcomer, and died for a newer one. */
export const FLOOD = 3;
/** Sectors wore out, and the room for the Drop with them. */
export const SECTOR_RETIRED = 4;
/** Power cuts during the log's cleaning had filled the log. */
export const LOG_FULL = 5;
/** The owner of the store removed the Drop. */
export const REMOVED = 6;
/** The names of the causes for people, by cause. */
export const CAUSE_NAMES: readonly string[] = /* @__PURE__ */ Object.freeze([
  "superseded",
  "coldest",
  "corrupt",
  "flood",
  "sector retired",
  "log full",
  "removed",
]);
