/**
 * Replaces modules/serial/serial-binding.c and the driver beneath it. The driver's buffers fill up, and the desk
 * carries their bytes to the computer.
 */
import { within } from "./bytes.ts";

const RECEIVE_BYTES = 9_216;

/** The line that the present life has opened. desk.ts forgets it when the life ends. */
export class OpenLine {
  readonly owner: object;
  readonly wake: () => void;
  readonly #sendBytes: number;
  #toBoard: number[] = [];
  #toComputer: number[] = [];
  /** The last write did not fit whole, and the firmware has not been woken since. */
  #short = false;

  constructor(owner: object, sendBytes: number, wake: () => void) {
    this.owner = owner;
    this.#sendBytes = sendBytes;
    this.wake = wake;
  }

  /** Brings bytes of the computer. Bytes beyond the receive buffer are lost, as on a UART. */
  bring(bytes: Uint8Array): void {
    this.#toBoard.push(...bytes.subarray(0, RECEIVE_BYTES - this.#toBoard.length));
    this.wake();
  }

  read(bytes: Uint8Array): number {
    const read = this.#toBoard.splice(0, bytes.length);
    bytes.set(read);
    return read.length;
  }

  write(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, this.#sendBytes - this.#toComputer.length);
    this.#toComputer.push(...taken);
    this.#short = taken.length < bytes.length;
    return taken.length;
  }

  /** Takes at most this many bytes on their way to the computer. */
  carry(lengthBytes: number): Uint8Array {
    return Uint8Array.from(this.#toComputer.splice(0, lengthBytes));
  }

  /** Wakes the firmware if the send buffer was too full for a write and has room now. */
  sayRoom(): void {
    if (!this.#short || this.#toComputer.length === this.#sendBytes) return;
    this.#short = false;
    this.wake();
  }
}

function openedBy(owner: object): OpenLine | undefined {
  const { line } = globalThis.desk;
  return line?.owner === owner ? line : undefined;
}

export const SERIAL = {
  xs_line_open(this: object, _usb: boolean, baud: number, wake: () => void): void {
    if (globalThis.desk.line !== undefined) throw new Error("serial: a line is open already; close it first");
    if (!(baud >= 1)) throw new RangeError("serial: no such speed");
    globalThis.desk.line = new OpenLine(this, globalThis.desk.sendBytes, wake);
  },

  xs_line_close(this: object): void {
    if (openedBy(this) !== undefined) globalThis.desk.line = undefined;
  },

  xs_line_read(this: object, bytes: Uint8Array): number {
    return openedBy(this)?.read(bytes) ?? 0;
  },

  xs_line_write(this: object, bytes: Uint8Array, offset: number, lengthBytes: number): number {
    within(bytes, offset, lengthBytes, "serial: outside the buffer");
    return openedBy(this)?.write(bytes.subarray(offset, offset + lengthBytes)) ?? 0;
  },
};
