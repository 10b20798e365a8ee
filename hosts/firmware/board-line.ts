/** A board's serial port, for what an update sends to the firmware there, and for what the firmware says. */
import { setTimeout as sleep } from "node:timers/promises";
import { SerialPort } from "serialport";
import { LINE_BAUD } from "../../modules/dongle/message.ts";
import { portSentence } from "../radio/port-sentence.ts";

/** Pulling EN low for this long resets every board. */
const RESET_MS = 100;
const REOPEN_MS = 200;
/** Bytes that the kernel has not taken yet. */
const PENDING_BYTES_MAX = 4_096;

export class BoardLine {
  onBytes: (bytes: Buffer) => void = () => {};
  readonly #path: string;
  #baudRate = LINE_BAUD;
  #port: SerialPort | undefined;

  private constructor(path: string) {
    this.#path = path;
  }

  static async open(path: string): Promise<BoardLine> {
    const line = new BoardLine(path);
    await line.#open();
    return line;
  }

  write(bytes: Uint8Array, offset: number, lengthBytes: number): number {
    const port = this.#port;
    if (port === undefined) return 0;
    const taken = Math.max(0, Math.min(lengthBytes, PENDING_BYTES_MAX - port.writableLength));
    if (taken > 0) port.write(Buffer.from(bytes.subarray(offset, offset + taken)));
    return taken;
  }

  /** By the lines that reset a board: RTS pulls EN low, DTR leaves BOOT alone. A line without them stays as it is. */
  async reset(): Promise<void> {
    for (const rts of [true, false]) {
      await new Promise<void>((resolve) => {
        if (this.#port === undefined) resolve();
        else this.#port.set({ dtr: false, rts }, () => resolve());
      });
      await sleep(rts ? RESET_MS : 0);
    }
  }

  /** From now on, the line has another speed, also when it is opened again. */
  async changeSpeed(baudRate: number): Promise<void> {
    this.#baudRate = baudRate;
    await new Promise<void>((resolve) => {
      if (this.#port === undefined) resolve();
      else this.#port.update({ baudRate }, () => resolve());
    });
  }

  /** Opens the port again when the board took it away. */
  async keepOpen(): Promise<void> {
    if (this.#port !== undefined) return;
    await this.#open().catch(async () => {
      await sleep(REOPEN_MS);
    });
  }

  close(): void {
    this.#port?.close(() => {});
    this.#port = undefined;
  }

  #open(): Promise<void> {
    return new Promise((resolve, reject) => {
      const port = new SerialPort({ path: this.#path, baudRate: this.#baudRate, autoOpen: false, hupcl: false });
      const gone = (): void => {
        if (this.#port === port) this.#port = undefined;
      };
      port.on("error", gone);
      port.on("close", gone);
      port.on("data", (bytes: Buffer) => this.onBytes(bytes));
      port.open((error) => {
        if (error) return reject(new Error(portSentence(this.#path, "board", error)));
        this.#port = port;
        resolve();
      });
    });
  }
}

export function now(): number {
  return Math.floor(performance.now());
}
