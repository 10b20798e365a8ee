/**
 * Rank: the order in which the Drops of a full store die (docs/temperature.md, "Admission").
 *
 * Three parts of a node give Drops up: admission for a Drop that comes in, mount for a surplus that a power cut left,
 * and the store when sectors wear out. If each had an order of its own, a power cut or a worn sector would undo what
 * admission protects. So the order is here, once, and all three follow it:
 *
 * - The settled Drop with the smallest heat key dies first.
 * - A newcomer dies only when no settled Drop can die. Of the newcomers, the Drop with the smallest heat key dies
 *   first.
 * - Of Drops with equal keys, the Drop in the lowest slot dies first.
 *
 * Invariant: a heat key alone says whether its Drop is a newcomer. A newcomer's key is odd, and a settled Drop's key is
 * even. So flash keeps this fact with the key. It costs one unit of heat, nine seconds of a week. This file refuses to
 * know why a Drop is a newcomer, and for how long.
 */

/** More than the difference of any two keys. It is added to the keys of Drops that come after all others. */
export const ABOVE_ALL_KEYS = 2 ** 32;
/** Every settled Drop has a rank below this, and no newcomer has. */
export const NEWCOMER_RANK_MIN = 2 ** 31;

/** The greatest key of a settled Drop that is not above this key. */
export function settledKey(key: number): number {
  return key & ~1;
}

/** The greatest key of a newcomer that is not above this key. It is never above, because the key may be the highest. */
export function newcomerKey(key: number): number {
  return (key - 1) | 1;
}

/** Whether this is the key of a newcomer. */
export function isNewcomer(key: number): boolean {
  return (key & 1) !== 0;
}

/** The rank of a Drop with this key: the Drop with the lower rank dies first. An integer below 2^33. */
export function rank(key: number): number {
  return isNewcomer(key) ? key + ABOVE_ALL_KEYS : key;
}

/**
 * The slot of the Drop that dies first; -1 when no Drop can die. `keys` and `flags` have an entry for each slot. A Drop
 * can die if its flags are above 0 and below `flagsEnd`.
 */
export function firstToDie(keys: Int32Array, flags: Uint8Array, flagsEnd: number): number {
  const settled = coldest(keys, flags, flagsEnd, 0);
  return settled >= 0 ? settled : coldest(keys, flags, flagsEnd, 1);
}

/** The same among the Drops whose keys have this lowest bit: 0 for the settled, 1 for the newcomers. */
function coldest(keys: Int32Array, flags: Uint8Array, flagsEnd: number, parity: number): number {
  const { length } = keys;
  let first = -1;
  let least = Infinity;
  let slot = -1;
  // The loop passes over all Drops, so each bytecode counts 750 times. XS makes a variable of the loop anew in each
  // pass, and takes every step of a condition with `&&`, also after a part that is false.
  while (++slot < length) {
    if (keys[slot]! >= least) continue;
    if ((keys[slot]! & 1) !== parity) continue;
    if (flags[slot]! >= flagsEnd || flags[slot]! === 0) continue;
    least = keys[slot]!;
    first = slot;
  }
  return first;
}
