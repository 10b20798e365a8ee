/**
 * A line of bytes to the computer that a board is plugged into (docs/dongle.md, "Lines"): a UART, or the USB of an
 * ESP32-C3 and S3. On Linux the line is a terminal.
 *
 * This class is the `line` that modules/dongle needs. Bytes reach `onReadable` in the dongle's own task, in a buffer
 * that is used again. Nothing is allocated for them, and no code of XS runs in a driver's interrupt. The line itself
 * has no flow control: the buffers are larger than the number of bytes that the dongle's protocol allows on the way.
 *
 * Refuses a second line while one is open, a port that the chip does not have, and a port that the debugger uses.
 */
export interface SerialOptions {
  port: "uart" | "usb";
  /** The speed of a UART in bits per second. USB has no speed of its own. */
  baud: number;
  onReadable(bytes: Uint8Array, lengthBytes: number): void;
  /** The line may take more bytes than it took at the last `write`. */
  onWritable(): void;
}

/** A burst is read in pieces of this size. */
const PIECE_BYTES = 512;

declare function Native(destructor: string): new () => object;
declare function native(name: string): { call(line: object, ...parameters: unknown[]): never };

/**
 * The native half is serial-binding.c. Each method holds nothing but the call, so XS binds it when it is compiled. Any
 * other method would make garbage.
 */
class NativeLine extends Native("xs_line_destructor") {
  /** From then on, the native half calls `wake` in this task. */
  open(usb: boolean, baud: number, wake: () => void): void {
    native("xs_line_open").call(this, usb, baud, wake);
  }

  close(): void {
    native("xs_line_close").call(this);
  }

  /** Fills `bytes` with received bytes, and returns how many there are. */
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

  /** Takes as many of the bytes as there is room for, and returns how many. Never waits. */
  write(bytes: Uint8Array, offset: number, lengthBytes: number): number {
    return this.#native.write(bytes, offset, lengthBytes);
  }

  /** Idempotent. No handler is called after it. */
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
