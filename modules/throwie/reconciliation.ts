/**
 * The node's one workspace for reconciling: salted set, reconciler, one message in and one out (design section 5).
 *
 * The workspace is the largest thing in a board's memory and a reconciliation takes a tenth of a second, so there is one,
 * and contacts take turns: it is lent to a contact from its opening until its last message is settled.
 *
 * An OPEN message begins with what makes the session's salt; the summaries follow it.
 *
 * | offset | size | field     | meaning                                                                                 |
 * |--------|------|-----------|-----------------------------------------------------------------------------------------|
 * | 0      | 8    | nonce     | drawn by the initiator for this session                                                 |
 * | 8      | 2    | answering | the first bytes of the beacon's nonce: a responder that has woken anew since then refuses |
 * | 10     | n    | summaries | docs/protocol.md, "Reconciliation"                                                      |
 *
 * The salt is made of both nonces: neither side chooses it, and nobody knew it when the Drops were made.
 */

import { Assembly } from "../glacier/assembly.ts";
import { readU32 } from "../glacier/frame.ts";
import { MESSAGE_BODY_BYTES_MAX } from "../glacier/message.ts";
import { Mix, sessionKey } from "../rbsr/half-siphash.ts";
import { Reconciler } from "../rbsr/reconciler.ts";
import { SaltedSet } from "../rbsr/salted-set.ts";
import type { Store } from "../store/store.ts";
import type { Random } from "./ports.ts";

export const NONCE_BYTES = 8;
const ANSWERING_BYTES = 2;
export const OPEN_PREFIX_BYTES = NONCE_BYTES + ANSWERING_BYTES;
const NOBODY = -1;

export class Reconciliation {
  /** Index of the contact that has the workspace, -1 when it is free. */
  owner = NOBODY;
  readonly inbound = new Assembly(MESSAGE_BODY_BYTES_MAX);
  readonly outbound = new Uint8Array(MESSAGE_BODY_BYTES_MAX);
  outboundBytes = 0;
  /** Counts outbound messages from 1, so that one which is settled late is not taken for the next. */
  outboundNumber = 0;
  /** The link has not taken the outbound message yet. */
  outboundWaiting = false;
  readonly #store: Store;
  readonly #random: Random;
  readonly #beaconNonce: Uint8Array;
  readonly #set: SaltedSet;
  readonly #reconciler: Reconciler;
  readonly #key = new Mix();
  /** The part of `outbound` behind an OPEN's prefix. */
  readonly #summaries: Uint8Array;

  constructor(store: Store, random: Random, beaconNonce: Uint8Array) {
    this.#store = store;
    this.#random = random;
    this.#beaconNonce = beaconNonce;
    this.#set = new SaltedSet(store.capacity);
    this.#reconciler = new Reconciler({ capacity: store.capacity });
    this.#summaries = this.outbound.subarray(OPEN_PREFIX_BYTES);
  }

  lend(contact: number): void {
    this.owner = contact;
    this.outboundBytes = 0;
    this.outboundWaiting = false;
    this.inbound.clear();
  }

  /** Give the workspace back; nothing happens when `contact` does not have it. */
  release(contact: number): void {
    if (this.owner === contact) this.owner = NOBODY;
  }

  /** Nothing is left to learn or to say but the outbound message. */
  get concluded(): boolean {
    return this.#reconciler.state === "done";
  }

  /** Whether the peer lacks the Drop in this slot. */
  has(slot: number): boolean {
    return this.#reconciler.has(slot);
  }

  /** Prepare an OPEN for a peer that beaconed with this nonce and count, and seems to differ by `estimate` Drops. */
  open(peerNonce: Uint8Array, estimate: number, peerCount: number): void {
    const { outbound } = this;
    for (let i = 0; i < OPEN_PREFIX_BYTES; i++) outbound[i] = peerNonce[i - NONCE_BYTES] ?? 0;
    this.#random.fill(outbound.subarray(0, NONCE_BYTES));
    this.#fill(outbound, 0, peerNonce);
    this.#send(OPEN_PREFIX_BYTES + this.#reconciler.initiate(this.#set, estimate, this.#summaries, peerCount));
  }

  /** Take the body of an OPEN and prepare the answer. False: it is not one, or answers a beacon of an earlier life. */
  answer(bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    if (lengthBytes <= OPEN_PREFIX_BYTES) return false;
    for (let i = 0; i < ANSWERING_BYTES; i++) {
      if (bytes[offset + NONCE_BYTES + i] !== this.#beaconNonce[i]) return false;
    }
    this.#fill(bytes, offset, this.#beaconNonce);
    this.#reconciler.respondTo(this.#set);
    return this.proceed(bytes, offset + OPEN_PREFIX_BYTES, lengthBytes - OPEN_PREFIX_BYTES);
  }

  /** Take a further message and prepare the answer, if there is one. False: the peer broke the rules. */
  proceed(bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    this.#send(this.#reconciler.receive(bytes, offset, lengthBytes, this.outbound));
    return this.#reconciler.state !== "refused";
  }

  #send(lengthBytes: number): void {
    this.outboundBytes = lengthBytes;
    this.outboundWaiting = lengthBytes > 0;
    if (lengthBytes > 0) this.outboundNumber++;
  }

  #fill(initiatorNonce: Uint8Array, offset: number, responderNonce: Uint8Array): void {
    const store = this.#store;
    sessionKey(
      readU32(initiatorNonce, offset),
      readU32(initiatorNonce, offset + 4),
      readU32(responderNonce, 0),
      readU32(responderNonce, 4),
      this.#key,
    );
    this.#set.begin(this.#key.low, this.#key.high);
    for (let slot = 0; slot < store.capacity; slot++) {
      if (store.occupied(slot)) this.#set.add(store.idLow(slot), store.idHigh(slot), slot);
    }
    this.#set.seal();
  }
}
