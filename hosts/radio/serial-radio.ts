/**
 * A board with the dongle role on a serial port, as this computer's radio (docs/dongle.md).
 *
 * The dongle may be unplugged at any moment. A port that is gone, that fails or that stays silent is closed and opened
 * again, with growing pauses, and the dongle there is greeted again. Until the dongle answers, the radio is full, so a
 * node waits as for a busy air. Another dongle has another address: the node's peers meet a stranger, open contacts
 * fall silent, and Drops go on from what both sides keep.
 *
 * `open` refuses what a person can correct: no such port, no permission, a port in use, a device that is no dongle, a
 * dongle of another version. After that, the radio reports these and goes on trying. It does the same with a dongle
 * whose radio takes shorter frames than the first, because the node was made for the first one's frames.
 */
import { randomFillSync } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SerialPort } from "serialport";
import { DongleHost } from "../../modules/dongle/dongle-host.ts";
import { LINE_BAUD, VERSION } from "../../modules/dongle/message.ts";
import { checkFrame, type MacAddress, type RadioHandlers } from "../../modules/throwie/ports.ts";
import { Backoff } from "../retry/backoff.ts";
import type { HostRadio } from "./host-radio.ts";
import { portSentence } from "./port-sentence.ts";

/** Opening the port may restart a board. Such a board answers within two seconds. */
const ANSWER_MS = 5_000;
/** Bytes that the kernel has not taken yet. A few frames only, because a node cannot change a frame that waits here. */
const PENDING_BYTES_MAX = 4_096;
/** A dongle answers a question within a few turns. A question or an answer may be lost, so it is asked again. */
const TELL_MS = 500;
const QUESTIONS = 3;
const LOOK_MS = 10;
const REOPEN_TIMINGS = { baseMs: 100, capMs: 2_000 };

export type DongleNews =
  | { event: "dongle-found"; port: string; address: string }
  | { event: "dongle-firmware"; port: string; firmware: string }
  | { event: "dongle-lost"; port: string; reason: string };

/** The ports on which a board may be, by their names on Linux and macOS. `SerialPort.list` needs udevadm. */
export function serialPorts(devices = "/dev"): string[] {
  const names = readdirSync(devices).filter((name) => /^(tty(USB|ACM)\d|cu\.usb)/.test(name));
  return names.sort().map((name) => join(devices, name));
}

export class SerialRadio implements HostRadio {
  address: MacAddress = new Uint8Array(6);
  frameSizeBytesMax = 0;
  receiveQueueFrames = 0;
  readonly #path: string;
  readonly #handlers: RadioHandlers;
  readonly #tell: (news: DongleNews) => void;
  readonly #host: DongleHost;
  readonly #backoff = new Backoff(REOPEN_TIMINGS);
  #port: SerialPort | undefined;
  #state: DongleHost["state"] = "closed";
  #told = "";
  #firmware = "";
  /** Ends the opening that is under way: resolves without an error, rejects with one. */
  #endOpening: ((error?: Error) => void) | undefined;
  #turnTimer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Immediate | undefined;
  #answerTimer: NodeJS.Timeout | undefined;
  #reopenTimer: NodeJS.Timeout | undefined;
  #wasFull = true;
  #closed = false;

  private constructor(path: string, handlers: RadioHandlers, tell: (news: DongleNews) => void) {
    this.#path = path;
    this.#handlers = handlers;
    this.#tell = tell;
    this.#host = new DongleHost({
      line: { write: (bytes, offset, lengthBytes) => this.#write(bytes, offset, lengthBytes) },
      clock: { now },
      random: { fill: (bytes) => void randomFillSync(bytes) },
      onFrame: (bytes, lengthBytes, from) => {
        // A later dongle may hear longer frames than the node has room for.
        if (lengthBytes <= this.frameSizeBytesMax) handlers.onFrame(bytes, lengthBytes, from);
      },
    });
  }

  /** Resolves when the dongle has answered. Rejects with a sentence for the person who typed the port's name. */
  static async open(
    path: string,
    handlers: RadioHandlers,
    tell: (news: DongleNews) => void = () => {},
  ): Promise<SerialRadio> {
    const radio = new SerialRadio(path, handlers, tell);
    try {
      await radio.#attempt();
    } catch (error) {
      radio.close();
      throw error;
    }
    return radio;
  }

  /** The account of every frame, in both directions (modules/dongle/line-end.ts). */
  get counters(): DongleHost["counters"] {
    return this.#host.counters;
  }

  /** Frames that were sent and that the dongle has not reported as done. */
  get outstanding(): number {
    return this.#host.outstanding;
  }

  get full(): boolean {
    const full = this.#host.full;
    if (full) this.#wasFull = true;
    return full;
  }

  send(frame: Uint8Array, lengthBytes: number, to: MacAddress): boolean {
    checkFrame(this, frame, lengthBytes);
    if (this.full || !this.#host.send(frame, lengthBytes, to)) return false;
    this.#turnSoon();
    return true;
  }

  /** What the dongle has left of memory and stacks, in its words. Empty: its firmware does not know the question. */
  async headroom(): Promise<string> {
    // The line holds one question, and that about the firmware is asked when the session begins.
    await this.#answer(() => this.#host.firmware !== "");
    for (let asked = 0; asked < QUESTIONS && this.#host.headroom === undefined; asked++) {
      this.#host.askHeadroom();
      this.#turnSoon();
      await this.#answer(() => this.#host.headroom !== undefined);
    }
    return this.#host.headroom ?? "";
  }

  async #answer(told: () => boolean): Promise<void> {
    for (const endMs = now() + TELL_MS; !told() && now() < endMs; ) await sleep(LOOK_MS);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#reopenTimer);
    this.#letGo();
  }

  /** Opens the port and greets the dongle there, once. */
  #attempt(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#endOpening = (error) => {
        this.#endOpening = undefined;
        if (error === undefined) resolve();
        else reject(error);
      };
      // With hupcl, closing the port would drop DTR, which restarts many boards.
      const port = new SerialPort({ path: this.#path, baudRate: LINE_BAUD, autoOpen: false, hupcl: false });
      this.#port = port;
      const gone = (error?: Error | null): void => {
        if (this.#port === port) this.#lose(`The port ${this.#path} is gone${error ? ` (${error.message})` : ""}.`);
      };
      port.on("error", gone);
      port.on("close", gone);
      port.on("data", (bytes: Buffer) => {
        if (this.#port !== port) return;
        this.#host.receive(bytes, bytes.length);
        this.#turn();
      });
      port.open((error) => {
        if (this.#port !== port) {
          if (!error) port.close();
        } else if (error) this.#lose(portSentence(this.#path, "dongle", error));
        else {
          this.#host.begin();
          this.#turn();
        }
      });
    });
  }

  #turn(): void {
    if (this.#port === undefined) return;
    clearTimeout(this.#turnTimer);
    clearImmediate(this.#soon);
    this.#soon = undefined;
    const dueMs = this.#host.turn();
    if (this.#host.state !== this.#state) this.#changed();
    if (this.#port === undefined) return;
    if (this.#host.firmware !== this.#firmware) this.#learnFirmware(this.#host.firmware);
    if (dueMs < Number.POSITIVE_INFINITY) this.#turnTimer = setTimeout(() => this.#turn(), Math.max(0, dueMs - now()));
    if (this.#wasFull && !this.#host.full) {
      this.#wasFull = false;
      this.#handlers.onRoom();
    }
  }

  #turnSoon(): void {
    this.#soon ??= setImmediate(() => this.#turn());
  }

  #changed(): void {
    const host = this.#host;
    this.#state = host.state;
    clearTimeout(this.#answerTimer);
    if (host.state === "greeting") {
      this.#answerTimer = setTimeout(
        () =>
          this.#lose(`No Throwie dongle answers on ${this.#path}: is it another device, or a board with another role?`),
        ANSWER_MS,
      );
    } else if (host.state === "refused") {
      this.#lose(
        `The dongle on ${this.#path} speaks version ${host.otherVersion} of the line, this program version ${VERSION}: update the older one.`,
      );
    } else if (host.state === "open") this.#found();
  }

  #found(): void {
    const { address, frameSizeBytesMax, receiveQueueFrames } = this.#host;
    if (frameSizeBytesMax < this.frameSizeBytesMax) {
      this.#lose(
        `The dongle on ${this.#path} takes frames of ${frameSizeBytesMax} bytes, the one before it ${this.frameSizeBytesMax}: restart this program to use it.`,
      );
      return;
    }
    // The node made its buffers for the first dongle's frames.
    if (this.frameSizeBytesMax === 0) this.frameSizeBytesMax = frameSizeBytesMax;
    this.receiveQueueFrames = receiveQueueFrames;
    this.address = address.slice();
    this.#backoff.reset();
    this.#told = "";
    this.#tell({ event: "dongle-found", port: this.#path, address: Buffer.from(address).toString("hex") });
    this.#endOpening?.();
  }

  /** Empty when a session begins, then what the dongle tells. A dongle of 0.1.0 tells nothing. */
  #learnFirmware(firmware: string): void {
    this.#firmware = firmware;
    if (firmware !== "") this.#tell({ event: "dongle-firmware", port: this.#path, firmware });
  }

  #lose(reason: string): void {
    this.#letGo();
    if (this.#endOpening !== undefined) {
      this.#endOpening(new Error(reason));
      return;
    }
    this.#reopen(reason);
  }

  #reopen(reason: string): void {
    if (this.#closed) return;
    if (reason !== this.#told) this.#tell({ event: "dongle-lost", port: this.#path, reason });
    this.#told = reason;
    this.#reopenTimer = setTimeout(() => {
      this.#attempt().catch((error: Error) => this.#reopen(error.message));
    }, this.#backoff.next());
  }

  #letGo(): void {
    clearTimeout(this.#turnTimer);
    clearTimeout(this.#answerTimer);
    clearImmediate(this.#soon);
    this.#soon = undefined;
    const port = this.#port;
    this.#port = undefined;
    this.#state = "closed";
    this.#wasFull = true;
    this.#host.end();
    if (port?.isOpen) port.close(() => {});
  }

  #write(bytes: Uint8Array, offset: number, lengthBytes: number): number {
    const port = this.#port;
    if (!port?.isOpen) return 0;
    const taken = Math.min(lengthBytes, PENDING_BYTES_MAX - port.writableLength);
    if (taken <= 0) return 0;
    port.write(Buffer.from(bytes.subarray(offset, offset + taken)), () => this.#turnSoon());
    return taken;
  }
}

function now(): number {
  return Math.floor(performance.now());
}
