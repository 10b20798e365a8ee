/**
 * A summary of a range: how many items, the XOR of their tags, and the sum of their confirmed tags (docs/protocol.md,
 * "Ranges and summaries").
 *
 * Two sides must compare a range without listing it. Where both hold the same items, they hold the same summary. Where
 * one item differs, the difference of the two summaries gives it up at once: the XOR names its tag, and the sum
 * confirms that no more than that one differs.
 *
 * The sum runs over `confirm(tag)`, not over the tag. A plain sum follows the XOR wherever no carry differs: of random
 * triples a, b, c, one in some ten thousand has a + b - c = a ^ b ^ c in all 32 bits (about (3/4)^31), and would be
 * taken for a single item. `confirm` is a bijection that is linear neither over XOR nor over addition. With it the
 * chance is one in 2^32; test/rbsr.test.ts measures both.
 *
 * `Summary` is plain storage that its owner reuses. `xor` and `sum` are signed 32-bit integers; `count` is unsigned.
 */

export class Summary {
  count = 0;
  xor = 0;
  sum = 0;
}

const imul = Math.imul;

/** The finaliser of MurmurHash3: a bijection of 32 bits in which every input bit reaches every output bit. */
export function confirm(tag: number): number {
  let x = tag ^ (tag >>> 16);
  x = imul(x, 0x85ebca6b);
  x ^= x >>> 13;
  x = imul(x, 0xc2b2ae35);
  return x ^ (x >>> 16);
}
