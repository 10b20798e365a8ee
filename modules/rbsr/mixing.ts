/**
 * The loops over all ids of a set: mixing them, sorting them, and entering them in a fingerprint (docs/protocol.md,
 * "The mix").
 *
 * A board of 750 Drops does this for each contact, and for each neighbour that is new. In XS this takes most of a
 * second. So on a board the manifest puts native code in place of this module (modules/board/mixing.ts), which gives
 * the same results in about a millisecond. Here are the same loops in TypeScript.
 *
 * Each function works in place, in arrays of its caller, and makes no garbage. The caller owns the bounds.
 */
import { BATCH_HEADER_WORDS, FINGERPRINT_CELLS } from "./batch.ts";
import { halfSipHash, MIX_ROUNDS, Mix } from "./half-siphash.ts";

/** Made at first use: this module is preloaded, and a preloaded object cannot change. */
let shared: Mix | undefined;

function mixUnder(keyLow: number, keyHigh: number): Mix {
  shared ??= new Mix();
  shared.keyLow = keyLow;
  shared.keyHigh = keyHigh;
  return shared;
}

/**
 * Replace the words of each id, `low[i]` and `high[i]`, by the words of its mix, for each i of `from` up to, not
 * including, `to`. The words of the key are signed.
 */
// biome-ignore lint/complexity/useMaxParams: two arrays, a key and two bounds, as native code takes them
export function mixAll(
  low: Uint32Array,
  high: Int32Array,
  keyLow: number,
  keyHigh: number,
  from: number,
  to: number,
): void {
  const mix = mixUnder(keyLow, keyHigh);
  for (let i = from; i < to; i += 1) {
    halfSipHash(mix, low[i]!, high[i]!, MIX_ROUNDS);
    low[i] = mix.low;
    high[i] = mix.high;
  }
}

/**
 * Enter the ids of a batch in the fingerprint of number `at`, or take them out. `batch`: BATCH_HEADER_WORDS, then
 * `count` ids. `sums`: three words for each fingerprint, xor, sum and count. `cells`: the sketch, two cells in a byte.
 */
// biome-ignore lint/complexity/useMaxParams: two arrays, their index, and a batch, as native code takes them
export function enterAll(batch: Int32Array, count: number, sums: Int32Array, cells: Uint8Array, at: number): void {
  const mix = mixUnder(batch[0]!, batch[1]!);
  const direction = batch[2]!;
  const end = BATCH_HEADER_WORDS + 2 * count;
  const cellsAt = (at * FINGERPRINT_CELLS) >> 1;
  const sumsAt = 3 * at;
  for (let i = BATCH_HEADER_WORDS; i < end; i += 2) {
    halfSipHash(mix, batch[i]!, batch[i + 1]!, MIX_ROUNDS);
    const { low, high } = mix;
    sums[sumsAt]! ^= low;
    sums[sumsAt + 1]! += direction > 0 ? high : -high;
    sums[sumsAt + 2]! += direction;
    const cell = ((low >>> 16) * FINGERPRINT_CELLS) >>> 16;
    const shift = (cell & 1) << 2;
    const byte = cellsAt + (cell >>> 1);
    const value = (cells[byte]! >>> shift) + (high < 0 ? -direction : direction);
    cells[byte] = (cells[byte]! & (0xf0 >>> shift)) | ((value & 15) << shift);
  }
}

/**
 * Sort `count` items by position and then by tag, both unsigned. Afterwards each of `bins` has the index of the first
 * item whose position has the bin's leading bits. True when two neighbours have one mix.
 */
// biome-ignore lint/complexity/useMaxParams: three parallel arrays and two bounds, as native code takes them
export function sortMixes(
  positions: Uint32Array,
  tags: Int32Array,
  items: Uint16Array | Uint32Array,
  bins: Uint16Array | Uint32Array,
  count: number,
): boolean {
  const shift = Math.clz32(bins.length) + 1;
  bins.fill(0);
  for (let index = 0; index < count; index += 1) {
    const leading = positions[index]! >>> shift;
    bins[leading] = bins[leading]! + 1;
  }
  let end = 0;
  for (let each = 0; each < bins.length; each += 1) {
    end += bins[each]!;
    bins[each] = end;
  }
  // Each bin fills from its end downwards, to the mark in `bins`. Everything below `index` is in place already. An item
  // at `index` that is not below the mark of its bin lies in the filled part of that bin, in place. Any other item is
  // moved to its place, the item that was there to its own, and so on, round a cycle that ends at `index`.
  let position = 0;
  let tag = 0;
  let item = 0;
  let displaced = 0;
  let bin = 0;
  let target = 0;
  for (let index = 0; index < count; index += 1) {
    position = positions[index]!;
    bin = position >>> shift;
    target = bins[bin]!;
    if (index >= target) continue;
    tag = tags[index]!;
    item = items[index]!;
    for (;;) {
      target -= 1;
      bins[bin] = target;
      if (target === index) break;
      displaced = positions[target]!;
      positions[target] = position;
      position = displaced;
      displaced = tags[target]!;
      tags[target] = tag;
      tag = displaced;
      displaced = items[target]!;
      items[target] = item;
      item = displaced;
      bin = position >>> shift;
      target = bins[bin]!;
    }
    positions[index] = position;
    tags[index] = tag;
    items[index] = item;
  }
  return sortByInsertion(positions, tags, items, count);
}

/** Finish a set whose bins are in order. True when two neighbours have one mix. */
function sortByInsertion(
  positions: Uint32Array,
  tags: Int32Array,
  items: Uint16Array | Uint32Array,
  count: number,
): boolean {
  let repeats = false;
  let last = -1;
  for (let index = 0; index < count; index += 1) {
    const position = positions[index]!;
    if (position > last) {
      last = position;
      continue;
    }
    const tag = tags[index]!;
    const item = items[index]!;
    let hole = index;
    while (hole > 0) {
      const before = positions[hole - 1]!;
      if (before < position) break;
      if (before === position) {
        const difference = (tags[hole - 1]! >>> 0) - (tag >>> 0);
        if (difference === 0) repeats = true;
        if (difference <= 0) break;
      }
      positions[hole] = before;
      tags[hole] = tags[hole - 1]!;
      items[hole] = items[hole - 1]!;
      hole -= 1;
    }
    positions[hole] = position;
    tags[hole] = tag;
    items[hole] = item;
  }
  return repeats;
}
