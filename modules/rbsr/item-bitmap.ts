/**
 * A set of item numbers, as one bit for each of the caller's items (slots of the store). A session keeps two: the items
 * that the peer lacks, and the items that are out in a list of whole mixes (docs/protocol.md, "Messages").
 *
 * The bits go by item number, not by index in the SaltedSet. A list re-orders its range of that set
 * (`SaltedSet.sortByTag`), but item numbers stay. The caller also asks by item number, when the session is over and the
 * next one may already use the set's memory.
 *
 * Invariant: `count` is the number of bits that are set. Adding an item twice counts once, since a peer may say twice
 * that it lacks an item.
 *
 * Working memory: an eighth of a byte an item, 94 bytes at 750, taken in the constructor. Nothing is checked here:
 * `SaltedSet.place` has refused numbers that are not below the capacity.
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
