/**
 * Rank: the order in which the Drops of a full store die (docs/temperature.md, "Admission").
 *
 * Three parts of a node give Drops up: admission for a Drop that comes in, mount for a surplus that a power cut left, and
 * the store when sectors wear out. If each had an order of its own, a power cut or a worn sector would undo what
 * admission protects. So the order is here, once, and all three follow it:
 *
 *   - the settled Drop with the least heat key dies first;
 *   - a newcomer dies only when no settled Drop is there; of the newcomers it is the one with the least heat key;
 *   - of Drops with equal keys it is the one in the lowest slot.
 *
 * A key says which of the two a Drop is: a newcomer's key is odd, a settled Drop's is even. Hence flash knows it too, and
 * what it costs is one unit of heat, nine seconds of a week. Refuses to know why a Drop is a newcomer, and for how long.
 */

/** Added to the key of a newcomer: more than any two keys differ by. */
const ABOVE_ALL_KEYS = 2 ** 32;
/** No newcomer ranks below this, and every settled Drop does. */
export const NEWCOMER_RANK_MIN = 2 ** 31;

/** The nearest key below or at this one that is a settled Drop's. */
export function settledKey(key: number): number {
  return key & ~1;
}

/** The nearest key below or at this one that is a newcomer's. Never above: the key may be the highest there is. */
export function newcomerKey(key: number): number {
  return (key - 1) | 1;
}

export function isNewcomer(key: number): boolean {
  return (key & 1) !== 0;
}

/** Of two Drops the one with the lower rank dies before the other. An integer below 2^33. */
export function rank(key: number): number {
  return isNewcomer(key) ? key + ABOVE_ALL_KEYS : key;
}

/**
 * The slot of the Drop that dies first, -1 when there is none. `keys` and `flags` have an entry for each slot; a Drop
 * stands for choice when its flags are above 0 and below `flagsEnd`.
 */
export function firstToDie(keys: Int32Array, flags: Uint8Array, flagsEnd: number): number {
  let settled = -1;
  let newcomer = -1;
  let least = Infinity;
  let leastOfNewcomers = Infinity;
  const { length } = keys;
  let slot = 0;
  // XS runs a loop that makes no name anew each time round in two thirds of the time.
  while (slot < length) {
    if (keys[slot]! < least && flags[slot]! < flagsEnd && flags[slot]! > 0) {
      if ((keys[slot]! & 1) === 0) {
        least = keys[slot]!;
        settled = slot;
      } else if (keys[slot]! < leastOfNewcomers) {
        leastOfNewcomers = keys[slot]!;
        newcomer = slot;
      }
    }
    slot++;
  }
  return settled >= 0 ? settled : newcomer;
}
