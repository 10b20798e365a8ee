/** Stands for modules/serial/serial-binding.c and a driver whose buffers fill up: the desk's line carries them on. */
import { within } from "./bytes.ts";

const RECEIVE_BYTES = 9_216;

/** Of this life, by desk.ts. */
export class OpenLine {
  readonly owner: object;
  readonly wake: () => void;
  readonly #sendBytes: number;
  #toBoard: number[] = [];
  #toComputer: number[] = [];
  /** It took less than it was given, and has not said yet that there is room. */
  #short = false;

  constructor(owner: object, sendBytes: number, wake: () => void) {
    this.owner = owner;
    this.#sendBytes = sendBytes;
    this.wake = wake;
  }

  /** The computer's bytes; what there is no room for is lost, as on a UART. */
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

  /** What the line carries away in a while. */
  carry(lengthBytes: number): Uint8Array {
    return Uint8Array.from(this.#toComputer.splice(0, lengthBytes));
  }

  /** Calls back if it was full and is not. */
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
