/**
 * One bit for each of the caller's item numbers (slots of the store): which of my items the peer lacks, and which of them are
 * out in a list of mixes (docs/protocol.md, "Messages").
 *
 * By item number, not by index: a list re-orders its range of the set (`SaltedSet.sortByTag`), and item numbers stay. That is
 * also what the caller asks by when the session is over and the set's memory is at the next one's disposal.
 *
 * Invariant: `count` is the number of bits set. Adding twice counts once: a peer may say twice that it lacks an item.
 *
 * Working memory: an eighth of a byte an item, 94 bytes at 750, taken in the constructor.
 * Refuses nothing; numbers are below the capacity, which `SaltedSet.place` has seen to.
 */

export class ItemBitmap {
  count = 0;
  readonly #bits: Uint8Array;

  constructor(capacity: number) {
    this.#bits = new Uint8Array((capacity + 7) >>> 3);
  }

  clear(): void {
    this.#bits.fill(0);
    this.count = 0;
  }

  has(item: number): boolean {
    return ((this.#bits[item >>> 3]! >>> (item & 7)) & 1) !== 0;
  }

  add(item: number): void {
    const before = this.#bits[item >>> 3]!;
    const after = before | (1 << (item & 7));
    if (after === before) return;
    this.#bits[item >>> 3] = after;
    this.count += 1;
  }

  remove(item: number): void {
    const before = this.#bits[item >>> 3]!;
    const after = before & ~(1 << (item & 7));
    if (after === before) return;
    this.#bits[item >>> 3] = after;
    this.count -= 1;
  }
}
