/**
 * Chance, as a node's rules use it: small numbers from the host's source of random bytes.
 *
 * A stranger who could guess these numbers could be chosen more often than others, so they come from the port, not from
 * the engine.
 */
import type { Random } from "./ports.ts";

export class Dice {
  readonly #random: Random;
  readonly #bytes = new Uint8Array(2);

  constructor(random: Random) {
    this.#random = random;
  }

  /** A number from 0 to 65,535. */
  u16(): number {
    this.#random.fill(this.#bytes);
    return this.#bytes[0]! | (this.#bytes[1]! << 8);
  }

  /** True once in so many times. */
  oneIn(count: number): boolean {
    return this.u16() * count < 0x10000;
  }
}
