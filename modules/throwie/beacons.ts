/**
 * Beacons: how nodes find each other, and how a node learns that a peer's Drops differ from its own (docs/protocol.md,
 * "BEACON").
 *
 * Nodes come and go, and most of the time two nodes in range hold the same Drops. A contact only to find this out would
 * cost air. So each node broadcasts a fingerprint of its set of Drops. A beacon is one frame of session 0 with short_id
 * 0:
 *
 * | offset | size | field       | meaning                                                                     |
 * |--------|------|-------------|-----------------------------------------------------------------------------|
 * | 0      | 8    | nonce       | the key of the fingerprint, half of a session's salt (`renew`)              |
 * | 8      | 1    | frames      | 1: this node takes ESP-NOW v2 bodies; otherwise 0                           |
 * | 9      | 60   | fingerprint | modules/rbsr/fingerprint.ts: 64 bits, count, sketch                         |
 *
 * A listener computes the fingerprint of its own set under the sender's nonce. Equal fingerprints mean that there is
 * nothing to do, and no contact is opened. Otherwise the sketch tells about how many Drops differ. A new nonce from a
 * known address means that the peer has woken anew.
 *
 * A node keeps fingerprints of its own set up to date as Drops come and go: one under its own nonce here, and one under
 * the nonce of each of its neighbours (neighbours.ts).
 *
 * Invariant: as long as the node reports each Drop that comes or goes (`add`, `remove`), all these fingerprints
 * describe its store. `read` refuses a frame that is not exactly a beacon. This class refuses to decide whether a
 * contact is opened.
 */
import { FRAME_HEADER_BYTES, type Frame, FrameHeader, readU32, sealFrame } from "../glacier/frame.ts";
import { BEACON } from "../glacier/frame-type.ts";
import { FINGERPRINT_SIZE_BYTES, Fingerprint, fingerprintCount } from "../rbsr/fingerprint.ts";
import type { Store } from "../store/store.ts";
import type { Dice } from "./dice.ts";
import type { Effort } from "./effort.ts";
import { Neighbours } from "./neighbours.ts";
import type { Random } from "./ports.ts";
import { SALT_NONCE_BYTES } from "./reconciliation.ts";
import type { Retained } from "./retained.ts";

const FRAMES_AT = FRAME_HEADER_BYTES + SALT_NONCE_BYTES;
const FRAMES_V2 = 1;
const FINGERPRINT_AT = FRAMES_AT + 1;
const BEACON_PAYLOAD_BYTES = SALT_NONCE_BYTES + 1 + FINGERPRINT_SIZE_BYTES;
const HEADER: Readonly<FrameHeader> = /* @__PURE__ */ Object.assign(new FrameHeader(), {
  type: BEACON,
  payloadBytes: BEACON_PAYLOAD_BYTES,
});

export interface BeaconsOptions {
  store: Store;
  random: Random;
  dice: Dice;
  effort: Effort;
  intervalMs: number;
  /** This node's radio takes bodies of ESP-NOW v2. */
  takesV2: boolean;
  /** Clock milliseconds. */
  now: number;
  /** The first beacon is due now. Otherwise it is due at a random moment of the first interval. */
  atOnce: boolean;
  /** `carry` brings nonce and fingerprints, so that nothing is drawn and hashed. */
  resumes: boolean;
}

export class Beacons {
  readonly nonce = new Uint8Array(SALT_NONCE_BYTES);
  /** When the next beacon is due, in clock milliseconds. */
  dueMs: number;
  readonly #store: Store;
  readonly #dice: Dice;
  readonly #effort: Effort;
  readonly #intervalMs: number;
  readonly #takesV2: boolean;
  readonly #own = new Fingerprint();
  readonly #neighbours: Neighbours;
  /** The beacon last read: its frame, which is valid only during the call that brought the frame. */
  #heard: Uint8Array = this.nonce;
  #heardLow = 0;
  #heardHigh = 0;

  constructor(options: BeaconsOptions) {
    this.#store = options.store;
    this.#dice = options.dice;
    this.#effort = options.effort;
    this.#intervalMs = options.intervalMs;
    this.#takesV2 = options.takesV2;
    this.#neighbours = new Neighbours(options.store, options.effort, options.now);
    if (!options.resumes) this.renew(options.random);
    this.dueMs = options.atOnce ? options.now : options.now + this.#jitterMs();
  }

  /** Draw a new nonce when the node begins, and on each day that it sleeps. */
  renew(random: Random): void {
    random.fill(this.nonce);
    this.recount();
  }

  add(shortIdLow: number, shortIdHigh: number): void {
    this.#effort.mixes++;
    this.#own.add(shortIdLow, shortIdHigh);
    this.#neighbours.add(shortIdLow, shortIdHigh);
  }

  remove(shortIdLow: number, shortIdHigh: number): void {
    this.#effort.mixes++;
    this.#own.remove(shortIdLow, shortIdHigh);
    this.#neighbours.remove(shortIdLow, shortIdHigh);
  }

  /** Compute this node's fingerprints anew from the store. */
  recount(): void {
    const store = this.#store;
    const own = this.#own;
    own.begin(readU32(this.nonce, 0), readU32(this.nonce, 4));
    for (let slot = 0; slot < store.capacity; slot++) {
      if (store.occupied(slot)) own.add(store.idLow(slot), store.idHigh(slot));
    }
    this.#effort.mixes += store.count;
    this.#neighbours.recount();
  }

  /** Build the beacon in `out`. Returns the frame's length in bytes. */
  write(out: Uint8Array): number {
    for (let i = 0; i < SALT_NONCE_BYTES; i++) out[FRAME_HEADER_BYTES + i] = this.nonce[i]!;
    out[FRAMES_AT] = this.#takesV2 ? FRAMES_V2 : 0;
    this.#own.write(out, FINGERPRINT_AT);
    return sealFrame(out, HEADER);
  }

  /**
   * The beacon went out. The next beacon is due an interval later, plus or minus an eighth, so that two nodes cannot
   * stay in step.
   */
  sent(now: number): void {
    const eighth = this.#intervalMs >>> 3;
    this.dueMs = now + this.#intervalMs - eighth + (eighth === 0 ? 0 : this.#jitterMs() % (2 * eighth));
  }

  /**
   * Take in a beacon. False: the frame is not a well-formed beacon, and nothing was taken. The methods below are about
   * the beacon that was read last, and may be called only while its frame is in the buffer.
   */
  read(frame: Frame): boolean {
    if (frame.payloadBytes !== BEACON_PAYLOAD_BYTES || frame.poll) return false;
    if ((frame.sessionId | frame.sequence | frame.fragment | frame.shortIdLow | frame.shortIdHigh) !== 0) return false;
    const bytes = frame.bytes;
    if (bytes[FRAMES_AT]! > FRAMES_V2) return false;
    this.#heard = bytes;
    this.#heardLow = readU32(bytes, FRAME_HEADER_BYTES);
    this.#heardHigh = readU32(bytes, FRAME_HEADER_BYTES + 4);
    return true;
  }

  get peerTakesV2(): boolean {
    return this.#heard[FRAMES_AT] === FRAMES_V2;
  }

  get peerCount(): number {
    return fingerprintCount(this.#heard, FINGERPRINT_AT);
  }

  /** The nonce of the beacon. */
  readNonce(nonce: Uint8Array): void {
    for (let i = 0; i < SALT_NONCE_BYTES; i++) nonce[i] = this.#heard[FRAME_HEADER_BYTES + i]!;
  }

  /** The low word of the beacon's nonce. */
  get nonceLow(): number {
    return this.#heardLow;
  }

  /** The first bytes of the beacon's nonce, to which an OPEN answers. */
  get answering(): number {
    return this.#heardLow & 0xffff;
  }

  /** Whether the beacon has this nonce. */
  hasNonce(nonce: Uint8Array): boolean {
    return this.#heardLow === readU32(nonce, 0) && this.#heardHigh === readU32(nonce, 4);
  }

  /** Whether the two sets are equal, as far as this is known without any hashing. */
  equal(now: number): boolean {
    const own = this.#neighbours.known(this.#heardLow, this.#heardHigh, now);
    return own?.equals(this.#heard, FINGERPRINT_AT) === true;
  }

  /**
   * About how many Drops differ between this node's set and the set of the beacon. 0 exactly when the sets are equal.
   * Undefined when the answer is not worth the hashing now (neighbours.ts).
   */
  estimate(now: number): number | undefined {
    const own = this.#neighbours.fingerprint(this.#heardLow, this.#heardHigh, now);
    return own?.estimate(this.#heard, FINGERPRINT_AT);
  }

  /** After a sleep, the nodes that know this node by its nonce, and this node's neighbours, need not be hashed anew. */
  carry(over: Retained): void {
    over.carry(this.nonce);
    this.#own.carry(over, 0);
    this.#neighbours.carry(over);
  }

  #jitterMs(): number {
    return this.#dice.u16() % (this.#intervalMs + 1);
  }
}
