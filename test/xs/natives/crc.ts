/** Replaces the SDK's `crc`: it takes whole buffers only, and keeps its state from one `checksum` to the next. */
function reflected(value: number, bits: number): number {
  let result = 0;
  for (let i = 0; i < bits; i++) if ((value >>> i) & 1) result |= 1 << (bits - 1 - i);
  return result;
}

export class CRC16 {
  readonly #polynomial: number;
  readonly #initial: number;
  #state: number;

  constructor(
    ...parameters: [
      polynomial: number,
      initial: number,
      reflectInput: boolean,
      reflectOutput: boolean,
      xorOutput: number,
    ]
  ) {
    const [polynomial, initial, reflectInput, reflectOutput, xorOutput] = parameters;
    if (!reflectInput || !reflectOutput || xorOutput !== 0) throw new Error("not a CRC that the firmware uses");
    this.#polynomial = polynomial;
    this.#initial = initial;
    this.#state = initial;
  }

  reset(): void {
    this.#state = this.#initial;
  }

  checksum(bytes: Uint8Array): number {
    for (const byte of bytes) {
      this.#state ^= reflected(byte, 8) << 8;
      for (let bit = 0; bit < 8; bit++) {
        this.#state = ((this.#state << 1) ^ (this.#state & 0x8000 ? this.#polynomial : 0)) & 0xffff;
      }
    }
    return reflected(this.#state, 16);
  }
}
