/**
 * Beacons: how nodes find each other, and what each says of its set (docs/protocol.md, "BEACON").
 *
 * One broadcast frame of session 0, its short_id 0.
 *
 * | offset | size | field       | meaning                                                                     |
 * |--------|------|-------------|-----------------------------------------------------------------------------|
 * | 0      | 8    | nonce       | drawn at this wake-up: the key of the fingerprint, and half of a session's salt |
 * | 8      | 1    | frames      | 1: this node takes ESP-NOW v2 bodies; otherwise 0                           |
 * | 9      | 60   | fingerprint | modules/rbsr/fingerprint.ts: 64 bits, count, sketch                         |
 *
 * A listener computes the fingerprint of its own set under the sender's nonce. Equal means that there is nothing to do,
 * and no contact is opened; otherwise the sketch tells about how many Drops differ. A new nonce from a known address
 * means that the peer has woken anew. Under its own nonce, and those of the NEIGHBOURS_MAX it heard anew last, a node keeps its
 * fingerprint up to date as Drops come and go: to count 750 Drops anew takes an ESP32 a third of a second.
 */
import { FRAME_HEADER_BYTES, type Frame, FrameHeader, readU32, sealFrame } from "../glacier/frame.ts";
import { BEACON } from "../glacier/frame-type.ts";
import { FINGERPRINT_SIZE_BYTES, Fingerprint, fingerprintCount } from "../rbsr/fingerprint.ts";
import type { Store } from "../store/store.ts";
import type { Random } from "./ports.ts";
import { NONCE_BYTES } from "./reconciliation.ts";

/** About 700 bytes each on a board. */
const NEIGHBOURS_MAX = 4;

const FRAMES_AT = FRAME_HEADER_BYTES + NONCE_BYTES;
const FRAMES_V2 = 1;
const FINGERPRINT_AT = FRAMES_AT + 1;
const BEACON_PAYLOAD_BYTES = NONCE_BYTES + 1 + FINGERPRINT_SIZE_BYTES;
const HEADER: Readonly<FrameHeader> = /* @__PURE__ */ Object.assign(new FrameHeader(), {
  type: BEACON,
  payloadBytes: BEACON_PAYLOAD_BYTES,
});

export interface BeaconsOptions {
  store: Store;
  random: Random;
  intervalMs: number;
  /** This node's radio takes bodies of ESP-NOW v2. */
  takesV2: boolean;
  /** Clock milliseconds. */
  now: number;
  /** The first beacon is due now, not at some moment of the first interval. */
  atOnce: boolean;
}

export class Beacons {
  readonly nonce = new Uint8Array(NONCE_BYTES);
  /** The nonce of the beacon last read. */
  readonly peerNonce = new Uint8Array(NONCE_BYTES);
  peerCount = 0;
  peerTakesV2 = false;
  /** When the next beacon is due, in clock milliseconds. */
  dueMs: number;
  readonly #store: Store;
  readonly #random: Random;
  readonly #intervalMs: number;
  readonly #takesV2: boolean;
  readonly #own = new Fingerprint();
  /** Our set under the nonces of neighbours: a ring. */
  readonly #underNonces = Array.from({ length: NEIGHBOURS_MAX }, () => new Fingerprint());
  readonly #nonces = new Uint8Array(NEIGHBOURS_MAX * NONCE_BYTES);
  #neighbours = 0;
  /** The peer's fingerprint as it came. */
  readonly #peer = new Uint8Array(FINGERPRINT_SIZE_BYTES);
  readonly #chance = new Uint8Array(2);

  constructor(options: BeaconsOptions) {
    this.#store = options.store;
    this.#random = options.random;
    this.#intervalMs = options.intervalMs;
    this.#takesV2 = options.takesV2;
    options.random.fill(this.nonce);
    this.recount();
    this.dueMs = options.atOnce ? options.now : options.now + this.#jitterMs();
  }

  add(shortIdLow: number, shortIdHigh: number): void {
    this.#own.add(shortIdLow, shortIdHigh);
    for (let i = 0; i < this.#known; i++) this.#underNonces[i]!.add(shortIdLow, shortIdHigh);
  }

  remove(shortIdLow: number, shortIdHigh: number): void {
    this.#own.remove(shortIdLow, shortIdHigh);
    for (let i = 0; i < this.#known; i++) this.#underNonces[i]!.remove(shortIdLow, shortIdHigh);
  }

  /** Count what the store holds anew. */
  recount(): void {
    this.#summarise(this.#own, this.nonce);
    this.#neighbours = 0;
  }

  /** Build the beacon in `out`; returns the frame's length in bytes. */
  write(out: Uint8Array): number {
    for (let i = 0; i < NONCE_BYTES; i++) out[FRAME_HEADER_BYTES + i] = this.nonce[i]!;
    out[FRAMES_AT] = this.#takesV2 ? FRAMES_V2 : 0;
    this.#own.write(out, FINGERPRINT_AT);
    return sealFrame(out, HEADER);
  }

  /**
   * The beacon went out. The next follows an interval later, give or take an eighth, so that two nodes cannot keep in
   * step.
   */
  sent(now: number): void {
    const eighth = this.#intervalMs >>> 3;
    this.dueMs = now + this.#intervalMs - eighth + (eighth === 0 ? 0 : this.#jitterMs() % (2 * eighth));
  }

  /** Take in a beacon. False: its payload is not one. */
  read(frame: Frame): boolean {
    if (frame.payloadBytes !== BEACON_PAYLOAD_BYTES) return false;
    if (frame.sessionId !== 0 || frame.sequence !== 0 || frame.fragment !== 0 || frame.poll) return false;
    if (frame.bytes[FRAMES_AT]! > FRAMES_V2) return false;
    if (frame.shortIdLow !== 0 || frame.shortIdHigh !== 0) return false;
    for (let i = 0; i < NONCE_BYTES; i++) this.peerNonce[i] = frame.bytes[FRAME_HEADER_BYTES + i]!;
    for (let i = 0; i < FINGERPRINT_SIZE_BYTES; i++) this.#peer[i] = frame.bytes[FINGERPRINT_AT + i]!;
    this.peerTakesV2 = frame.bytes[FRAMES_AT] === FRAMES_V2;
    this.peerCount = fingerprintCount(this.#peer, 0);
    return true;
  }

  /** About how many Drops the set of the beacon last read and ours differ by; 0 exactly when they are the same. */
  estimate(): number {
    return this.#underNonce(this.peerNonce).estimate(this.#peer, 0);
  }

  get #known(): number {
    return Math.min(this.#neighbours, NEIGHBOURS_MAX);
  }

  #underNonce(nonce: Uint8Array): Fingerprint {
    for (let i = 0; i < this.#known; i++) {
      let byte = 0;
      while (byte < NONCE_BYTES && this.#nonces[i * NONCE_BYTES + byte] === nonce[byte]) byte++;
      if (byte === NONCE_BYTES) return this.#underNonces[i]!;
    }
    const i = this.#neighbours++ % NEIGHBOURS_MAX;
    this.#nonces.set(nonce, i * NONCE_BYTES);
    const fingerprint = this.#underNonces[i]!;
    this.#summarise(fingerprint, nonce);
    return fingerprint;
  }

  #summarise(fingerprint: Fingerprint, nonce: Uint8Array): void {
    const store = this.#store;
    fingerprint.begin(readU32(nonce, 0), readU32(nonce, 4));
    for (let slot = 0; slot < store.capacity; slot++) {
      if (store.occupied(slot)) fingerprint.add(store.idLow(slot), store.idHigh(slot));
    }
  }

  #jitterMs(): number {
    this.#random.fill(this.#chance);
    return (this.#chance[0]! | (this.#chance[1]! << 8)) % (this.#intervalMs + 1);
  }
}
