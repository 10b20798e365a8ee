/**
 * A line of bytes to the computer that a board is plugged into: a UART, or the USB of an ESP32-C3 and S3; on Linux a terminal
 * (docs/dongle.md, "Lines").
 *
 * It is the `line` that modules/dongle wants. Bytes reach `onReadable` in the dongle's own task, in a buffer that is used
 * again; nothing is allocated for them, and no code of XS runs in a driver's interrupt. There is no flow control on the
 * line itself: the buffers are larger than what the dongle's protocol lets be on its way.
 *
 * It refuses a second line while one is open, a port that the chip does not have, and one that the debugger has.
 */
export interface SerialOptions {
  port: "uart" | "usb";
  /** Bits a second of a UART; USB has no speed of its own. */
  baud: number;
  onReadable(bytes: Uint8Array, lengthBytes: number): void;
  /** It may take more than it took last. */
  onWritable(): void;
}

/** A burst is read in pieces of this. */
const PIECE_BYTES = 512;

declare function Native(destructor: string): new () => object;
declare function native(name: string): { call(line: object, ...parameters: unknown[]): never };

/** serial-binding.c. A method that holds nothing but the call is bound when it is compiled; any other leaves garbage. */
class NativeLine extends Native("xs_line_destructor") {
  /** Calls `wake` in this task from then on. */
  open(usb: boolean, baud: number, wake: () => void): void {
    native("xs_line_open").call(this, usb, baud, wake);
  }

  close(): void {
    native("xs_line_close").call(this);
  }

  /** Fills the bytes with what has come, and returns how many. */
  read(bytes: Uint8Array): number {
    return native("xs_line_read").call(this, bytes);
  }

  write(bytes: Uint8Array, offset: number, lengthBytes: number): number {
    return native("xs_line_write").call(this, bytes, offset, lengthBytes);
  }
}

export class Serial {
  readonly #native = new NativeLine();
  readonly #options: SerialOptions;
  readonly #piece = new Uint8Array(PIECE_BYTES);
  #open = true;

  /** Throws an Error whose message names the cause, and leaves nothing open. */
  constructor(options: SerialOptions) {
    this.#options = options;
    this.#native.open(options.port === "usb", options.baud, () => this.#wake());
  }

  /** Takes as many of the bytes as there is room for, and returns how many; never waits. */
  write(bytes: Uint8Array, offset: number, lengthBytes: number): number {
    return this.#native.write(bytes, offset, lengthBytes);
  }

  /** Idempotent. No handler is called any more. */
  close(): void {
    this.#open = false;
    this.#native.close();
  }

  #wake(): void {
    while (this.#open) {
      const lengthBytes = this.#native.read(this.#piece);
      if (lengthBytes === 0) break;
      this.#options.onReadable(this.#piece, lengthBytes);
    }
    if (this.#open) this.#options.onWritable();
  }
}
