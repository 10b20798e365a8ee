/**
 * modules/rbsr/mixing.ts on a board: the same loops in C (mixing-loops.c). The manifest replaces the one by the other.
 *
 * Each function is nothing but the native call, so XS binds it when the module is compiled.
 */
declare function native(name: string): { call(self: unknown, ...parameters: unknown[]): never };

// biome-ignore lint/complexity/useMaxParams: as in modules/rbsr/mixing.ts
export function mixAll(
  this: unknown,
  low: Uint32Array,
  high: Int32Array,
  keyLow: number,
  keyHigh: number,
  from: number,
  to: number,
): void {
  native("xs_mix_all").call(this, low, high, keyLow, keyHigh, from, to);
}

// biome-ignore lint/complexity/useMaxParams: as in modules/rbsr/mixing.ts
export function enterAll(
  this: unknown,
  batch: Int32Array,
  count: number,
  sums: Int32Array,
  cells: Uint8Array,
  at: number,
): void {
  native("xs_enter_all").call(this, batch, count, sums, cells, at);
}

// biome-ignore lint/complexity/useMaxParams: as in modules/rbsr/mixing.ts
export function sortMixes(
  this: unknown,
  positions: Uint32Array,
  tags: Int32Array,
  items: Uint16Array,
  bins: Uint16Array,
  count: number,
): boolean {
  return native("xs_sort_mixes").call(this, positions, tags, items, bins, count);
}
