/**
 * Seeded random numbers: the only source of randomness in the simulator.
 *
 * The generator is sfc32 (Chris Doty-Humphrey's Small Fast Counter, 32-bit, from PractRand): four 32-bit words of state
 * and only integer operations, so XS and V8 draw the same numbers. A generator is named by a seed and a stream. Every
 * node, the radio and every walker has a stream of its own, so that one more draw in one place changes nothing
 * elsewhere. Otherwise one more frame would change where everybody walks.
 *
 * Invariant: a number depends only on the seed, the stream and how many numbers were drawn before.
 * Refuses a seed that is not a whole number from 0 to 2^53 - 1, because two such seeds could be the same number.
 * The generator must not be used for secrets; boards use their hardware's.
 */

const WARM_UP_DRAWS = 15;
const U32_COUNT = 2 ** 32;
const MILLION = 1_000_000;

export class SeededRandom {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, stream: string) {
    if (!(seed >= 0 && seed < 2 ** 53 && Math.floor(seed) === seed)) {
      throw new Error("random: a seed is a whole number from 0 to 2^53 - 1");
    }
    // FNV-1a over the stream's UTF-16 code units.
    let name = 0x811c9dc5;
    for (let i = 0; i < stream.length; i++) name = Math.imul(name ^ stream.charCodeAt(i), 0x01000193);
    this.#a = seed | 0;
    this.#b = Math.floor(seed / U32_COUNT) | 0;
    this.#c = name;
    for (let i = 0; i < WARM_UP_DRAWS; i++) this.u32();
  }

  /** A number from 0 to 2^32 - 1. */
  u32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A number from 0 to n - 1, all equally likely. n is 1 to 2^32. */
  below(n: number): number {
    if (!(n >= 1 && n <= U32_COUNT && Math.floor(n) === n)) throw new Error("random: below() takes 1 to 2^32");
    const fair = U32_COUNT - (U32_COUNT % n);
    for (;;) {
      const draw = this.u32();
      if (draw < fair) return draw % n;
    }
  }

  /** True in `perMillion` of a million cases. 0 and less draw no number, so that an unused feature changes nothing. */
  chance(perMillion: number): boolean {
    if (perMillion <= 0) return false;
    return this.below(MILLION) < perMillion;
  }

  /** A number from `low` up to, not including, `high`, in steps of 2^-32 of their distance. */
  between(low: number, high: number): number {
    return low + (high - low) * (this.u32() / U32_COUNT);
  }

  /** Fills all of `bytes`: the Random port of modules/throwie/ports.ts. */
  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += 4) {
      const draw = this.u32();
      for (let k = 0; k < 4 && i + k < bytes.length; k++) bytes[i + k] = (draw >>> (8 * k)) & 0xff;
    }
  }
}
