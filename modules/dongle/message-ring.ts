/**
 * Messages of any length waiting in one buffer, first in first out: sealed ones for the line, or frames for the radio.
 *
 * Each lies in one piece, so that it can be written and read in place; where the end of the buffer leaves too little for
 * the next it begins again at 0. Refuses what has no room, by -1, and what a bug of the caller would do, by an exception.
 */

/** More short messages than this may fit; the rest would wait longer than they are worth. */
const MESSAGES_MAX = 64;

export class MessageRing {
  readonly bytes: Uint8Array;
  count = 0;
  readonly #starts = new Uint32Array(MESSAGES_MAX);
  readonly #lengths = new Uint32Array(MESSAGES_MAX);
  #oldest = 0;
  /** Where the newest ends. */
  #end = 0;

  constructor(sizeBytes: number) {
    this.bytes = new Uint8Array(sizeBytes);
  }

  /** Where in `bytes` a message of at most so many bytes can be written; -1: nowhere now. */
  place(lengthBytesMax: number): number {
    const { count, bytes } = this;
    if (count === MESSAGES_MAX) return -1;
    if (count === 0) return lengthBytesMax <= bytes.length ? 0 : -1;
    const first = this.#starts[this.#oldest]!;
    if (this.#end <= first) return lengthBytesMax <= first - this.#end ? this.#end : -1;
    if (lengthBytesMax <= bytes.length - this.#end) return this.#end;
    return lengthBytesMax <= first ? 0 : -1;
  }

  /** The message written at `place` is complete. */
  add(at: number, lengthBytes: number): void {
    if (this.count === MESSAGES_MAX || lengthBytes < 1) throw new Error("message-ring: no place was given");
    const newest = (this.#oldest + this.count) % MESSAGES_MAX;
    this.#starts[newest] = at;
    this.#lengths[newest] = lengthBytes;
    this.#end = at + lengthBytes;
    this.count++;
  }

  /** Where the oldest begins; of a ring that is not empty. */
  get start(): number {
    return this.#starts[this.#oldest]!;
  }

  get lengthBytes(): number {
    return this.#lengths[this.#oldest]!;
  }

  /** The oldest is done with. */
  remove(): void {
    if (this.count === 0) throw new Error("message-ring: empty");
    this.#oldest = (this.#oldest + 1) % MESSAGES_MAX;
    this.count--;
  }

  clear(): void {
    this.count = 0;
  }
}
