/**
 * A queue of messages of any length in one buffer: sealed messages for the line, or frames for the radio.
 *
 * Each message lies in one piece, so that it can be written and read in place. When the end of the buffer has too
 * little room for the next message, the ring begins again at 0. `place` returns -1 when there is no room. A bug of the
 * caller throws.
 */

/** More short messages might fit, but they would wait longer than they are worth. */
const MESSAGES_MAX = 64;

export class MessageRing {
  readonly bytes: Uint8Array;
  count = 0;
  readonly #starts = new Uint32Array(MESSAGES_MAX);
  readonly #lengths = new Uint32Array(MESSAGES_MAX);
  #oldest = 0;
  /** Where the newest message ends. */
  #end = 0;

  constructor(sizeBytes: number) {
    this.bytes = new Uint8Array(sizeBytes);
  }

  /** Where in `bytes` a message of at most `lengthBytesMax` bytes can be written. -1 when there is no room now. */
  place(lengthBytesMax: number): number {
    const { count, bytes } = this;
    if (count === MESSAGES_MAX) return -1;
    if (count === 0) return lengthBytesMax <= bytes.length ? 0 : -1;
    const first = this.#starts[this.#oldest]!;
    if (this.#end <= first) return lengthBytesMax <= first - this.#end ? this.#end : -1;
    if (lengthBytesMax <= bytes.length - this.#end) return this.#end;
    return lengthBytesMax <= first ? 0 : -1;
  }

  /** Adds the message that was written at `at`, as `place` returned it. */
  add(at: number, lengthBytes: number): void {
    if (this.count === MESSAGES_MAX || lengthBytes < 1) throw new Error("message-ring: no place was given");
    const newest = (this.#oldest + this.count) % MESSAGES_MAX;
    this.#starts[newest] = at;
    this.#lengths[newest] = lengthBytes;
    this.#end = at + lengthBytes;
    this.count++;
  }

  /** Where the oldest message begins. The ring must not be empty. */
  get start(): number {
    return this.#starts[this.#oldest]!;
  }

  get lengthBytes(): number {
    return this.#lengths[this.#oldest]!;
  }

  /** Removes the oldest message. */
  remove(): void {
    if (this.count === 0) throw new Error("message-ring: empty");
    this.#oldest = (this.#oldest + 1) % MESSAGES_MAX;
    this.count--;
  }

  clear(): void {
    this.count = 0;
  }
}
