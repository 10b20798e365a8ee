/**
 * The node's one workspace for reconciling: the salted set, the reconciler, one message in and one message out (design
 * section 5; docs/protocol.md, "OPEN" and "Reconciliation").
 *
 * Two nodes must find out which Drops each of them lacks. The workspace for this is the largest object in a board's
 * memory, and a reconciliation takes a tenth of a second. So a node has one workspace, and its contacts share it. The
 * workspace is lent to one contact from its opening until its last message is finished. The two messages lie in buffers
 * that Drops may use the rest of the time (assemblies.ts).
 *
 * An OPEN message begins with the data for the session's salt, and the summaries follow:
 *
 * | offset | size | field     | meaning                                                                                 |
 * |--------|------|-----------|-----------------------------------------------------------------------------------------|
 * | 0      | 8    | nonce     | drawn by the initiator for this session                                                 |
 * | 8      | 2    | answering | the first bytes of the beacon's nonce: a responder that has woken anew since then refuses |
 * | 10     | 1    | frames    | 1: both ends take ESP-NOW v2 bodies, and all that follows is cut for them; otherwise 0   |
 * | 11     | n    | summaries | docs/protocol.md, "Reconciliation"                                                      |
 *
 * The salt is made of both nonces. So neither side chooses it alone, and nobody knew it when the Drops were made.
 *
 * Invariant: at most one contact has the workspace. `answer` refuses an OPEN that answers another beacon than this
 * node's, and an OPEN that wants frames that this node did not offer. This class refuses to decide when a contact has
 * waited for too long (patience.ts).
 */
import type { Assembly } from "../glacier/assembly.ts";
import { PAYLOAD_BYTES_V1, PAYLOAD_BYTES_V2 } from "../glacier/frame.ts";
import { digest, MESSAGE_PREFIX_BYTES } from "../glacier/message.ts";
import type { Outgoing } from "../glacier/ports.ts";
import { Reconciler } from "../rbsr/reconciler.ts";
import { SaltedSet } from "../rbsr/salted-set.ts";
import type { Store } from "../store/store.ts";
import type { Assemblies } from "./assemblies.ts";
import type { Effort } from "./effort.ts";
import type { Random } from "./ports.ts";

export const SALT_NONCE_BYTES = 8;
const ANSWERING_BYTES = 2;
const FRAMES_AT = SALT_NONCE_BYTES + ANSWERING_BYTES;
const FRAMES_V2 = 1;
export const OPEN_PREFIX_BYTES = FRAMES_AT + 1;
const NOBODY = -1;
/** The number of an outbound message is its handle on the link, which has 16 bits. */
const OUTBOUND_NUMBER_MAX = 0xffff;

export interface ReconciliationOptions {
  store: Store;
  assemblies: Assemblies;
  random: Random;
  /** The nonce of this node's own beacons. An OPEN that answers another nonce is refused. */
  beaconNonce: Uint8Array;
  /** This node's radio takes bodies of ESP-NOW v2. */
  takesV2: boolean;
  effort: Effort;
}

export class Reconciliation {
  /** Index of the contact that has the workspace; -1 when the workspace is free. */
  owner = NOBODY;
  /** Bytes of a full payload, as agreed in the OPEN that was prepared or answered last. */
  fragmentBytes = PAYLOAD_BYTES_V1;
  readonly inbound: Assembly;
  readonly outbound: Uint8Array;
  outboundBytes = 0;
  /**
   * The number of the outbound message, counted from 1. So a message that is finished late is not taken for the message
   * after it.
   */
  outboundNumber = 0;
  /** Whether the link has still to take the outbound message. */
  outboundWaiting = false;
  readonly #assemblies: Assemblies;
  readonly #store: Store;
  readonly #random: Random;
  readonly #beaconNonce: Uint8Array;
  readonly #takesV2: boolean;
  readonly #effort: Effort;
  readonly #set: SaltedSet;
  readonly #reconciler: Reconciler;
  /** The part of `outbound` after an OPEN's prefix. */
  readonly #summaries: Uint8Array;
  readonly #digest = new Uint32Array(2);

  constructor(options: ReconciliationOptions) {
    const { store, assemblies } = options;
    this.#assemblies = assemblies;
    this.inbound = assemblies.inbound;
    this.outbound = assemblies.outbound;
    this.#store = store;
    this.#random = options.random;
    this.#beaconNonce = options.beaconNonce;
    this.#takesV2 = options.takesV2;
    this.#effort = options.effort;
    this.#set = new SaltedSet(store.capacity);
    this.#reconciler = new Reconciler({ capacity: store.capacity });
    this.#summaries = this.outbound.subarray(OPEN_PREFIX_BYTES);
  }

  /**
   * Lend the workspace to a contact. False: a contact has the workspace, or its buffers are in use, and the caller
   * tries again soon.
   */
  lend(contact: number, now: number): boolean {
    if (this.owner !== NOBODY || !this.#assemblies.reserve(now)) return false;
    this.owner = contact;
    this.outboundBytes = 0;
    this.outboundWaiting = false;
    return true;
  }

  /** Take the workspace back from a contact. Nothing happens when `contact` does not have it. */
  release(contact: number): void {
    if (this.owner !== contact) return;
    this.owner = NOBODY;
    this.#assemblies.unreserve();
  }

  /** Whether the reconciliation is over, apart from an outbound message that may still have to be sent. */
  get concluded(): boolean {
    return this.#reconciler.state === "done";
  }

  /** Whether the peer lacks the Drop in this slot. */
  has(slot: number): boolean {
    return this.#reconciler.has(slot);
  }

  /**
   * Whether the body of an OPEN, of which the first bytes begin at `offset`, answers this node's beacon. A caller that
   * did not hear this node costs it nothing more.
   */
  answersBeacon(bytes: Uint8Array, offset: number): boolean {
    for (let i = 0; i < ANSWERING_BYTES; i++) {
      if (bytes[offset + SALT_NONCE_BYTES + i] !== this.#beaconNonce[i]) return false;
    }
    return true;
  }

  /**
   * Prepare an OPEN for a peer. Its beacon said `peerNonce`, `peerCount` and `peerTakesV2`, and its set seems to differ
   * by `estimate` Drops.
   */
  open(peerNonce: Uint8Array, estimate: number, peerCount: number, peerTakesV2: boolean): void {
    const { outbound } = this;
    const v2 = this.#takesV2 && peerTakesV2;
    this.fragmentBytes = v2 ? PAYLOAD_BYTES_V2 : PAYLOAD_BYTES_V1;
    this.#random.fill(outbound.subarray(0, SALT_NONCE_BYTES));
    for (let i = 0; i < ANSWERING_BYTES; i++) outbound[SALT_NONCE_BYTES + i] = peerNonce[i]!;
    outbound[FRAMES_AT] = v2 ? FRAMES_V2 : 0;
    this.#fill(outbound, 0, peerNonce);
    this.#send(OPEN_PREFIX_BYTES + this.#reconciler.initiate(this.#set, estimate, this.#summaries, peerCount));
  }

  /**
   * Take the body of an OPEN and prepare the answer. False: the body is malformed, answers a beacon from before this
   * wake-up, or wants frames that this node did not offer.
   */
  answer(bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    if (lengthBytes <= OPEN_PREFIX_BYTES || !this.answersBeacon(bytes, offset)) return false;
    const frames = bytes[offset + FRAMES_AT]!;
    if (frames > (this.#takesV2 ? FRAMES_V2 : 0)) return false;
    this.fragmentBytes = frames === FRAMES_V2 ? PAYLOAD_BYTES_V2 : PAYLOAD_BYTES_V1;
    this.#fill(bytes, offset, this.#beaconNonce);
    this.#reconciler.respondTo(this.#set);
    return this.proceed(bytes, offset + OPEN_PREFIX_BYTES, lengthBytes - OPEN_PREFIX_BYTES);
  }

  /** Take a further message and prepare the answer, if an answer is due. False: the peer broke the rules. */
  proceed(bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    this.#send(this.#reconciler.receive(bytes, offset, lengthBytes, this.outbound));
    return this.#reconciler.state !== "refused";
  }

  /** Describe the outbound message for the link, which takes it now. Only its type is the caller's. */
  give(message: Outgoing): void {
    this.outboundWaiting = false;
    digest(this.outbound, 0, this.outboundBytes, this.#digest);
    message.shortIdLow = this.#digest[0]!;
    message.shortIdHigh = this.#digest[1]!;
    message.bodyBytes = this.outboundBytes;
    message.claim = 0;
    message.aired = 0;
    message.handle = this.outboundNumber;
  }

  /** Whether the whole message in this buffer has the short_id under which it came. */
  isGenuine(assembly: Assembly): boolean {
    digest(assembly.bytes, MESSAGE_PREFIX_BYTES, assembly.bodyBytes, this.#digest);
    return this.#digest[0] === assembly.shortIdLow && this.#digest[1] === assembly.shortIdHigh;
  }

  #send(lengthBytes: number): void {
    this.outboundBytes = lengthBytes;
    this.outboundWaiting = lengthBytes > 0;
    if (lengthBytes > 0) this.outboundNumber = (this.outboundNumber % OUTBOUND_NUMBER_MAX) + 1;
  }

  #fill(initiatorNonce: Uint8Array, offset: number, responderNonce: Uint8Array): void {
    const store = this.#store;
    this.#set.beginSession(initiatorNonce, offset, responderNonce);
    for (let slot = 0; slot < store.capacity; slot++) {
      if (store.occupied(slot)) this.#set.add(store.idLow(slot), store.idHigh(slot), slot);
    }
    this.#set.seal();
    this.#effort.mixes += store.count;
    this.#effort.sorted += store.count;
  }
}
