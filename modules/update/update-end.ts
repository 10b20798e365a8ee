/**
 * What the two ends of an update share: they read messages from the line, and write one message at a time to it.
 *
 * Sans-I/O. The owner gives bytes to `receive`, and `flush` writes as much as the line takes. A message that is not of
 * this protocol is not handed on: before an update, the line carries a log, or the messages of a dongle.
 */
import { encodeLine, LineReader, lineBytesMax, MESSAGE_AT } from "../dongle/framing.ts";
import type { Line } from "../dongle/line-end.ts";
import { isUpdateMessage } from "./message.ts";

export class UpdateEnd {
  readonly #line: Line;
  readonly #reader = new LineReader();
  readonly #out: Uint8Array;
  #at = 0;
  #end = 0;

  constructor(line: Line, messageBytesMax: number) {
    this.#line = line;
    this.#out = new Uint8Array(lineBytesMax(messageBytesMax));
  }

  /** Whether a message is on its way into the line. */
  get busy(): boolean {
    return this.#at < this.#end;
  }

  receive(bytes: Uint8Array, lengthBytes: number, take: (message: Uint8Array, lengthBytes: number) => void): void {
    const reader = this.#reader;
    for (let from = 0; from < lengthBytes; from = reader.at) {
      const found = reader.next(bytes, from, lengthBytes);
      if (found > 0 && isUpdateMessage(reader.message, found)) take(reader.message, found);
    }
  }

  /** `write` writes a message into the bytes at this index, and returns its size. Only when this end is not busy. */
  send(write: (bytes: Uint8Array, at: number) => number): void {
    this.#at = 0;
    this.#end = encodeLine(this.#out, 0, write(this.#out, MESSAGE_AT));
    this.flush();
  }

  flush(): void {
    if (this.busy) this.#at += this.#line.write(this.#out, this.#at, this.#end - this.#at);
  }
}
