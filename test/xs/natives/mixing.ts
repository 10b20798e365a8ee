/** Replaces modules/board/mixing-binding.c. Written again, from docs/protocol.md, so that two texts must agree. */
import { halfSipHash, MIX_ROUNDS, Mix } from "../../../modules/rbsr/half-siphash.ts";

const CELLS = 96;

function within(array: { length: number }, length: number): void {
  if (!(length >= 0 && length <= array.length)) throw new RangeError("outside the buffer");
}

function mixed(key: ArrayLike<number>, low: number, high: number): Mix {
  const mix = new Mix();
  [mix.keyLow, mix.keyHigh] = [key[0]!, key[1]!];
  halfSipHash(mix, low, high, MIX_ROUNDS);
  return mix;
}

export const MIXING = {
  // biome-ignore lint/complexity/useMaxParams: as in modules/rbsr/mixing.ts
  xs_mix_all(low: Uint32Array, high: Int32Array, keyLow: number, keyHigh: number, from: number, to: number): void {
    within(low, to);
    within(high, to);
    for (let i = from; i < to; i++) {
      const mix = mixed([keyLow, keyHigh], low[i]!, high[i]!);
      low[i] = mix.low;
      high[i] = mix.high;
    }
  },

  // biome-ignore lint/complexity/useMaxParams: as in modules/rbsr/mixing.ts
  xs_enter_all(batch: Int32Array, count: number, sums: Int32Array, cells: Uint8Array, at: number): void {
    within(batch, 3 + 2 * count);
    within(sums, 3 * at + 3);
    within(cells, (CELLS / 2) * (at + 1));
    for (let i = 0; i < count; i++) {
      const { low, high } = mixed(batch, batch[3 + 2 * i]!, batch[4 + 2 * i]!);
      const sign = batch[2]!;
      sums[3 * at]! ^= low;
      sums[3 * at + 1]! += sign * high;
      sums[3 * at + 2]! += sign;
      const cell = Math.floor(((low >>> 16) * CELLS) / 65_536);
      const byte = (CELLS / 2) * at + (cell >> 1);
      const nibbles = [cells[byte]! & 15, cells[byte]! >> 4];
      nibbles[cell & 1] = (nibbles[cell & 1]! + (high < 0 ? -sign : sign)) & 15;
      cells[byte] = nibbles[0]! | (nibbles[1]! << 4);
    }
  },

  // biome-ignore lint/complexity/useMaxParams: as in modules/rbsr/mixing.ts
  xs_sort_mixes(
    positions: Uint32Array,
    tags: Int32Array,
    items: Uint16Array | Uint32Array,
    bins: Uint16Array | Uint32Array,
    count: number,
  ): boolean {
    for (const array of [positions, tags, items]) within(array, count);
    const sorted = Array.from({ length: count }, (_, i) => [positions[i]!, tags[i]! >>> 0, items[i]!] as const).sort(
      (a, b) => a[0] - b[0] || a[1] - b[1],
    );
    let repeats = false;
    sorted.forEach(([position, tag, item], i) => {
      repeats ||= i > 0 && position === sorted[i - 1]![0] && tag === sorted[i - 1]![1];
      positions[i] = position;
      tags[i] = tag;
      items[i] = item;
    });
    const width = 2 ** 32 / bins.length;
    for (let bin = 0; bin < bins.length; bin++) {
      const first = sorted.findIndex(([position]) => position >= bin * width);
      bins[bin] = first < 0 ? count : first;
    }
    return repeats;
  },
};
