/**
 * The radio of a board: ESP-NOW, and on Linux a multicast air on this machine (docs/espnow.md).
 *
 * It implements the Radio port. Frames reach `onFrame` in the node's own task, one after the other, never from inside
 * `send`. A frame and its sender's address are valid only during the call, because both buffers are used again. Nothing
 * is allocated for a frame. A frame that was taken is sent once; a unicast frame gets ESP-NOW's own few repetitions.
 * Whether any radio received the frame is counted but not reported: the link above finds out for itself.
 *
 * Refuses a second radio while one is open, and channels that a board's default country does not allow.
 */
import { ADDRESS_BYTES, type MacAddress, type Radio, type RadioHandlers } from "../throwie/ports.ts";
import { CHANNEL_MAX, PHY_RATES, type PhyRate } from "./phy.ts";

const FRAME_BYTES_MAX = 1_470;
/** The address, and a signed byte for dBm. */
const LABEL_BYTES = ADDRESS_BYTES + 1;

/** In the order of `xs_espnow_count`. docs/espnow.md says what each counter counts. */
const COUNTERS = Object.freeze([
  "sent",
  "delivered",
  "failed",
  "noMemory",
  "refused",
  "abandoned",
  "restarts",
  "receiveQueueFull",
] as const);
export type EspNowCounters = Record<(typeof COUNTERS)[number], number>;

export interface EspNowOptions extends RadioHandlers {
  /** 1 to 11, the same for all radios that want to hear each other. */
  channel: number;
  rate: PhyRate;
}

declare function Native(destructor: string): new () => object;
declare function native(name: string): { call(radio: object, ...parameters: unknown[]): never };

/**
 * The native half is espnow-binding.c. Each method holds nothing but the call, so XS binds it when it is compiled. Any
 * other method would make garbage.
 */
class NativeRadio extends Native("xs_espnow_destructor") {
  /** Fills the address and returns the largest frame in bytes. From then on, `wake` is called in the node's task. */
  open(channel: number, rate: number, address: Uint8Array, wake: (room: boolean) => void): number {
    return native("xs_espnow_open").call(this, channel, rate, address, wake);
  }

  close(): void {
    native("xs_espnow_close").call(this);
  }

  /** How many frames of `bytes` bytes can wait for the node. */
  queueFrames(bytes: number): number {
    return native("xs_espnow_queue_frames").call(this, bytes);
  }

  full(): boolean {
    return native("xs_espnow_full").call(this);
  }

  send(frame: Uint8Array, lengthBytes: number, to: Uint8Array): boolean {
    return native("xs_espnow_send").call(this, frame, lengthBytes, to);
  }

  /** Fills both with the oldest frame of this wake, and returns the frame's length. 0: there is none left. */
  take(frame: Uint8Array, label: Uint8Array): number {
    return native("xs_espnow_take").call(this, frame, label);
  }

  /** Fills the numbers, in the order of COUNTERS. */
  count(numbers: ArrayBufferLike): void {
    native("xs_espnow_count").call(this, numbers);
  }

  lastError(): string | undefined {
    return native("xs_espnow_last_error").call(this);
  }
}

export class EspNow implements Radio {
  readonly address: MacAddress = new Uint8Array(ADDRESS_BYTES);
  readonly frameSizeBytesMax: number;
  readonly receiveQueueFrames: number;
  /** The signal strength of the frame that `onFrame` is called with. 0 before the first frame. */
  rssiDbm = 0;
  #open = false;
  readonly #native = new NativeRadio();
  readonly #options: EspNowOptions;
  readonly #frame = new Uint8Array(FRAME_BYTES_MAX);
  readonly #label = new Uint8Array(LABEL_BYTES);
  readonly #from: MacAddress = this.#label.subarray(0, ADDRESS_BYTES);
  readonly #rssi = new Int8Array(this.#label.buffer, ADDRESS_BYTES, 1);
  readonly #numbers = new Uint32Array(COUNTERS.length);

  /** Throws an Error whose message names the cause. Nothing stays open then. */
  constructor(options: EspNowOptions) {
    const { channel, rate } = options;
    if (!(channel >= 1 && channel <= CHANNEL_MAX && Math.floor(channel) === channel)) {
      throw new RangeError(`espnow: channel ${channel} is not 1 to ${CHANNEL_MAX}`);
    }
    if (!PHY_RATES.includes(rate)) throw new RangeError(`espnow: rate ${rate} is none of ${PHY_RATES.join(", ")}`);
    this.#options = options;
    this.frameSizeBytesMax = this.open();
    this.receiveQueueFrames = this.#native.queueFrames(this.frameSizeBytesMax);
  }

  /** Open the radio again after `close`. Returns the largest frame in bytes. Throws as the constructor does. */
  open(): number {
    const { channel, rate } = this.#options;
    const rateIndex = PHY_RATES.indexOf(rate);
    const frameSizeBytesMax = this.#native.open(channel, rateIndex, this.address, (room) => this.#wake(room));
    this.#open = true;
    return frameSizeBytesMax;
  }

  get full(): boolean {
    return this.#native.full();
  }

  send(frame: Uint8Array, lengthBytes: number, to: MacAddress): boolean {
    return this.#native.send(frame, lengthBytes, to);
  }

  get counters(): EspNowCounters {
    this.#native.count(this.#numbers.buffer);
    return Object.fromEntries(COUNTERS.map((name, i) => [name, this.#numbers[i]!])) as EspNowCounters;
  }

  /** The latest error while sending, in words. Undefined: there was none yet. */
  get lastError(): string | undefined {
    return this.#native.lastError();
  }

  /** Idempotent. Queued frames are lost, and no handler is called after it. */
  close(): void {
    this.#open = false;
    this.#native.close();
  }

  /** Called by the native side in the node's task, once for a burst of frames. */
  #wake(room: boolean): void {
    for (;;) {
      const lengthBytes = this.#native.take(this.#frame, this.#label);
      if (lengthBytes === 0) break;
      this.rssiDbm = this.#rssi[0]!;
      this.#options.onFrame(this.#frame, lengthBytes, this.#from);
    }
    if (room && this.#open) this.#options.onRoom();
  }
}
