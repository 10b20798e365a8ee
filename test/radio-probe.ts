/**
 * A probe takes the place of the node behind a radio. It carries out the orders of radio-contract.ts and reports the
 * actions of the radio.
 *
 * Some rules hold within one call: `send` copies the frame before it returns, and no handler is called inside `send`.
 * So the probe must run in the process of the radio, on Node or on XS. Orders and reports are plain JSON, so that they
 * can go to another process as text.
 */
import type { HostRadio } from "../hosts/radio/host-radio.ts";
import type { MacAddress, RadioHandlers } from "../modules/throwie/ports.ts";
import { fromHex, toHex } from "./xs/hex.ts";

/** A frame that the probe makes with `patternOf(number, lengthBytes)`. */
export interface Outgoing {
  number: number;
  lengthBytes: number;
  /** The number of bytes by which the buffer is shorter than `lengthBytes`. */
  missingBytes?: number;
}

/** An order to the probe. Each address is 12 hexadecimal digits. */
export type Order =
  | { order: "report" | "close" }
  /** Send these frames one after the other in one call. */
  | { order: "send"; to: string; frames: Outgoing[] }
  /** Send `count` frames of `lengthBytes` bytes, numbered from 0, each as soon as there is room. */
  | { order: "stream"; to: string; count: number; lengthBytes: number }
  /** Send one frame from inside the next `onFrame`. */
  | { order: "answer"; to: string; frame: Outgoing }
  /** Close the radio inside the next `onFrame`. */
  | { order: "closeOnFrame" };

export interface Attempt {
  /** Whether the radio was full before the call of `send`. */
  full: boolean;
  /** The result of `send`, or the name of the error that `send` threw. */
  outcome: "taken" | "refused" | string;
}

export interface Report {
  address: string;
  frameSizeBytesMax: number;
  receiveQueueFrames: number;
  full: boolean;
  /** The attempts of a "send" order. */
  attempts: Attempt[];
  heard: { bytes: string; from: string }[];
  /** The number of calls of `onRoom`. */
  rooms: number;
  /** Handler calls at a wrong time, buffers that changed, and errors. */
  faults: string[];
}

/** The bytes of frame `number`. Frames with different numbers or lengths have different bytes. */
export function patternOf(number: number, lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  for (let i = 0; i < lengthBytes; i++) bytes[i] = (number + 31 * i + (i >> 8) * lengthBytes) & 0xff;
  return bytes;
}

export class RadioProbe implements RadioHandlers {
  /** Set this field as soon as the radio is open. */
  radio!: HostRadio;
  readonly #heard: Report["heard"] = [];
  readonly #faults: string[] = [];
  #rooms = 0;
  #closed = false;
  #closeOnFrame = false;
  #answer: { to: MacAddress; frame: Outgoing } | undefined;
  #stream: { to: MacAddress; next: number; count: number; lengthBytes: number } | undefined;
  /** The name of the handler that runs now, or "send", or an empty text. */
  #running = "";
  /** Every frame is sent from this buffer, which is overwritten as soon as `send` has returned. */
  #buffer = new Uint8Array(0);

  onFrame(bytes: Uint8Array, lengthBytes: number, from: MacAddress): void {
    this.#handle("onFrame", () => {
      const before = { bytes: toHex(bytes.subarray(0, lengthBytes)), from: toHex(from) };
      this.#heard.push(before);
      if (this.#answer !== undefined) {
        const { to, frame } = this.#answer;
        this.#answer = undefined;
        this.#send(to, frame);
        if (toHex(bytes.subarray(0, lengthBytes)) !== before.bytes || toHex(from) !== before.from) {
          this.#faults.push("a buffer changed during onFrame");
        }
      }
      if (this.#closeOnFrame) this.#close();
    });
  }

  onRoom(): void {
    this.#handle("onRoom", () => {
      this.#rooms++;
      this.#goOn();
    });
  }

  obey(order: Order): Report {
    const attempts: Attempt[] = [];
    try {
      switch (order.order) {
        case "send":
          for (const frame of order.frames) attempts.push(this.#send(fromHex(order.to), frame));
          break;
        case "stream":
          this.#stream = { to: fromHex(order.to), next: 0, count: order.count, lengthBytes: order.lengthBytes };
          this.#goOn();
          break;
        case "answer":
          this.#answer = { to: fromHex(order.to), frame: order.frame };
          break;
        case "close":
          this.#close();
          break;
        case "closeOnFrame":
          this.#closeOnFrame = true;
          break;
        case "report":
          break;
      }
    } catch (error) {
      this.#faults.push(`${order.order}: ${error}`);
    }
    const { address, frameSizeBytesMax, receiveQueueFrames, full } = this.radio;
    return {
      ...{ address: toHex(address), frameSizeBytesMax, receiveQueueFrames, full, attempts },
      ...{ heard: this.#heard.slice(), rooms: this.#rooms, faults: this.#faults.slice() },
    };
  }

  #handle(name: string, act: () => void): void {
    if (this.#running !== "") this.#faults.push(`${name} inside ${this.#running}`);
    if (this.#closed) this.#faults.push(`${name} after close`);
    const before = this.#running;
    this.#running = name;
    act();
    this.#running = before;
  }

  #send(to: MacAddress, { number, lengthBytes, missingBytes = 0 }: Outgoing): Attempt {
    const bufferBytes = lengthBytes - missingBytes;
    if (this.#buffer.length < lengthBytes) this.#buffer = new Uint8Array(lengthBytes);
    const buffer = missingBytes > 0 ? new Uint8Array(bufferBytes) : this.#buffer;
    buffer.set(patternOf(number, bufferBytes));
    const { full } = this.radio;
    const before = this.#running;
    this.#running = "send";
    let outcome: string;
    try {
      outcome = this.radio.send(buffer, lengthBytes, to) ? "taken" : "refused";
    } catch (error) {
      outcome = (error as Error).name;
    }
    this.#running = before;
    buffer.fill(0xee);
    return { full, outcome };
  }

  #goOn(): void {
    const stream = this.#stream;
    while (stream !== undefined && stream.next < stream.count && !this.radio.full) {
      const { to, next, lengthBytes } = stream;
      if (this.#send(to, { number: next, lengthBytes }).outcome !== "taken") return;
      stream.next++;
    }
  }

  #close(): void {
    this.#closed = true;
    this.radio.close();
  }
}
