/**
 * A contact: the conversation of two nodes that hear each other (design sections 4 to 6).
 *
 *     initiator                              responder
 *        |  OPEN: nonce, summaries of ranges    |
 *        |------------------------------------->|
 *        |  RECONCILE: what I lack, my lists    |
 *        |<-------------------------------------|
 *        |  RECONCILE: which of the lists I want, if there were any
 *        |------------------------------------->|
 *        |  DROPs, hottest first, both ways at once, until both are DONE
 *        |<------------------------------------>|
 *
 * The conversation is over the link, which makes it reliable; a contact is the link's source and its sink. It may end at
 * any moment without notice, and then everything that arrived whole is in the store.
 *
 * It refuses to serve a Drop whose hash it has not checked, and to take one that it has.
 */
import type { Assembly } from "../glacier/assembly.ts";
import { type FrameOf, PAYLOAD_BYTES_V1, SEQUENCE_COUNT } from "../glacier/frame.ts";
import { DROP, type MessageType, OPEN, RECONCILE, unhandled } from "../glacier/frame-type.ts";
import { Link } from "../glacier/link.ts";
import { digest, MESSAGE_PREFIX_BYTES } from "../glacier/message.ts";
import type { Completion, MessageSink, MessageSource, Outgoing } from "../glacier/ports.ts";
import type { Store } from "../store/store.ts";
import { claim } from "../temperature/temperature.ts";
import { type Admittance, type Obstacle, TOKEN_INTERVAL_MS } from "./admission.ts";
import type { Assemblies } from "./assemblies.ts";
import type { CloseReason, NodeEvents } from "./events.ts";
import { Offers } from "./offers.ts";
import { ADDRESS_BYTES, type MacAddress } from "./ports.ts";
import { NONCE_BYTES, type Reconciliation } from "./reconciliation.ts";

/** An opening that nobody answers, though the link has repeated it half a dozen times. */
const OPENING_TIMEOUT_MS = 1_500;
/** Not even a beacon heard: the peer has walked away. Two beacon intervals and a half. */
const SILENT_TIMEOUT_MS = 2_500;
/** A beacon interval and a half: so long a silence only costs a contact its place when another node wants it. */
const QUIET_MS = 1_500;
/** Frames or beacons, but nothing comes of it: the peer has closed the session, or plays for time. */
const IDLE_TIMEOUT_MS = 10_000;
/** The workspace is wanted by others: many times the tenth of a second that a reconciliation takes. */
const RECONCILING_TIMEOUT_MS = 3_000;
/**
 * A contact that has earned so many tokens makes room for a peer that waits, busy or not. Its own peer may open another
 * contact, as all that wait may.
 */
const TOKENS_UNDISTURBED = 2;
/** A peer that waits for long cannot save up tokens to displace all newcomers at once. */
const TOKENS_SAVED_MAX = 2;
const NOTHING = -1;

/**
 * What becomes of a Drop that arrived whole. `stored`, `known` and `flash` are the store's. `departed`, `colder`: it does
 * not come in. `token`: not before this contact has one. `busy`: not before a Drop that could die is no longer read.
 */
export type KeepOutcome = "stored" | "known" | "flash" | "departed" | "token" | Obstacle;

/** What a contact uses of the node that it belongs to. */
export interface ContactOwner {
  readonly store: Store;
  readonly assemblies: Assemblies;
  readonly reconciliation: Reconciliation;
  readonly events: NodeEvents;
  /** 1 for each slot whose Drop was written here. */
  readonly own: Uint8Array;
  /** Frames that one contact's peer may have in flight. */
  readonly window: number;
  heatNow(): number;
  /** The Drop in this slot moved: raise its heat. */
  warm(slot: number): void;
  /** May the Drop with this ShortId come in? */
  judge(low: number): Admittance;
  /** Store a Drop that arrived whole. */
  keep(assembly: Assembly, from: Contact): KeepOutcome;
}

/** What the peer hears of it: to bring it again, or no more. */
const COMPLETIONS: Readonly<Record<KeepOutcome, Completion>> = /* @__PURE__ */ Object.freeze({
  stored: "kept",
  known: "unwanted",
  departed: "unwanted",
  colder: "unwanted",
  token: "again",
  busy: "again",
  flash: "again",
});

export type Phase = "free" | "opening" | "reconciling" | "transferring";

export class Contact implements MessageSource, MessageSink {
  readonly peer: MacAddress = new Uint8Array(ADDRESS_BYTES);
  readonly peerNonce = new Uint8Array(NONCE_BYTES);
  peerNonceKnown = false;
  phase: Phase = "free";
  initiator = false;
  /** Drops that moved in this contact, in either direction. */
  moved = 0;
  /** Drops that came into a full share of newcomers by this contact (admission.ts). */
  tokensSpent = 0;
  readonly link: Link;
  readonly #node: ContactOwner;
  /** Its place among the node's contacts. */
  readonly index: number;
  readonly #offers: Offers;
  #beaconMs = 0;
  /** When a Drop last moved, or could have begun to. */
  #movedMs = 0;
  #refused = false;
  /** No Drop is taken in any more; what the peer lacks is served all the same. */
  #flashFailed = false;
  /** The Drop that the peer began last comes in for a token only. */
  #needsToken = false;
  /** The sequence number that waits: the lowest, for a peer sends first what matters most to it. */
  #waiting = NOTHING;
  #nowMs = 0;
  readonly #digest = new Uint32Array(2);

  constructor(node: ContactOwner, index: number) {
    this.#node = node;
    this.index = index;
    this.#offers = new Offers(node.store, node.own);
    this.link = new Link(this, this);
  }

  begin(peer: MacAddress, sessionId: number, initiator: boolean, now: number): void {
    this.peer.set(peer);
    this.phase = "opening";
    this.initiator = initiator;
    this.peerNonceKnown = false;
    this.moved = 0;
    this.tokensSpent = 0;
    this.#needsToken = false;
    this.#waiting = NOTHING;
    this.#nowMs = now;
    this.#offers.clear();
    this.#beaconMs = now;
    this.#movedMs = now;
    this.#refused = false;
    this.#flashFailed = false;
    this.link.begin(sessionId, now);
  }

  /** Our own OPEN has had no answer yet. */
  get awaitsAnswer(): boolean {
    return this.phase === "opening" && this.initiator;
  }

  end(): void {
    this.phase = "free";
    this.link.sender.abandon();
    this.#node.assemblies.orphan(this.index);
    this.#node.reconciliation.release(this.index);
  }

  /** A beacon of the peer. False when it carries another nonce: the peer has woken anew and knows nothing of this. */
  beacon(nonce: Uint8Array, now: number): boolean {
    this.#beaconMs = now;
    for (let i = 0; i < NONCE_BYTES; i++) {
      if (this.peerNonceKnown && this.peerNonce[i] !== nonce[i]) return false;
      this.peerNonce[i] = nonce[i]!;
    }
    this.peerNonceKnown = true;
    return true;
  }

  /** Look whether it is over, and if not tell the link whether there is more to come. */
  review(now: number): CloseReason | undefined {
    const { link } = this;
    this.#nowMs = now;
    if (this.#refused) return "refused";
    if (now >= this.#patienceMs) return this.reconciling ? "unanswered" : "silent";
    const done = this.phase === "transferring" && this.#offers.count === 0 && !this.reconciling && link.sender.idle;
    if (done && this.#flashFailed) return "flash";
    link.setDone(done);
    return done && link.peerDone && link.answered ? "done" : undefined;
  }

  /** Tokens that this contact has earned and not spent: one for each TOKEN_INTERVAL_MS, TOKENS_SAVED_MAX at most. */
  get tokens(): number {
    return Math.min(this.#tokensEarned - this.tokensSpent, TOKENS_SAVED_MAX);
  }

  /** A Drop came in for a token. Tokens that were saved beyond the limit are gone. */
  spendToken(): void {
    this.tokensSpent = Math.max(this.tokensSpent, this.#tokensEarned - TOKENS_SAVED_MAX) + 1;
  }

  /** A Drop went or came, and was kept. */
  countMoved(): void {
    this.moved++;
    this.#movedMs = this.#nowMs;
  }

  get #tokensEarned(): number {
    return Math.floor((this.#nowMs - this.link.begunMs) / TOKEN_INTERVAL_MS);
  }

  /**
   * May this contact make room for another? Yes when its peer is not heard; when no Drop moved for longer than a token's
   * interval; when it has lasted for long; and when its peer spent a token, waits for the next, and has got all that it
   * lacks.
   */
  get lingers(): boolean {
    const now = this.#nowMs;
    if (now - Math.max(this.link.heardMs, this.#beaconMs) >= QUIET_MS) return true;
    if (now - this.#movedMs >= TOKEN_INTERVAL_MS + QUIET_MS) return true;
    if (this.#tokensEarned >= TOKENS_UNDISTURBED) return true;
    const served = this.#offers.count === 0 && this.link.sender.idle;
    return this.#needsToken && this.tokensSpent > 0 && this.tokens <= 0 && served;
  }

  get deadline(): number {
    return Math.min(this.#patienceMs, this.link.deadline);
  }

  /** It has the workspace, whose last message may still be on its way. */
  get reconciling(): boolean {
    return this.#node.reconciliation.owner === this.index;
  }

  /** When this contact is given up if nothing happens. */
  get #patienceMs(): number {
    const { link } = this;
    // A beacon says that the peer is near, not that it still knows of this session: who waits for an answer goes by answers.
    const heardMs = link.sender.idle ? Math.max(link.heardMs, this.#beaconMs) : link.heardMs;
    const silentMs = heardMs + SILENT_TIMEOUT_MS;
    const idleMs = Math.min(silentMs, link.progressMs + IDLE_TIMEOUT_MS);
    if (!this.reconciling) return idleMs;
    return Math.min(idleMs, link.begunMs + (this.phase === "opening" ? OPENING_TIMEOUT_MS : RECONCILING_TIMEOUT_MS));
  }

  // MessageSource

  get waiting(): boolean {
    const { reconciliation } = this.#node;
    return this.#offers.count > 0 || (this.reconciling && reconciliation.outboundWaiting);
  }

  next(message: Outgoing): boolean {
    const { reconciliation } = this.#node;
    if (reconciliation.owner === this.index && reconciliation.outboundWaiting) {
      reconciliation.outboundWaiting = false;
      digest(reconciliation.outbound, 0, reconciliation.outboundBytes, this.#digest);
      message.type = this.awaitsAnswer ? OPEN : RECONCILE;
      message.shortIdLow = this.#digest[0]!;
      message.shortIdHigh = this.#digest[1]!;
      message.bodyBytes = reconciliation.outboundBytes;
      message.claim = 0;
      message.handle = reconciliation.outboundNumber;
      return true;
    }
    if (this.#offers.count === 0) return false;
    const slot = this.#offers.take();
    if (slot < 0) return false;
    const { store } = this.#node;
    message.type = DROP;
    message.shortIdLow = store.idLow(slot);
    message.shortIdHigh = store.idHigh(slot);
    message.bodyBytes = store.lengthBytes(slot);
    message.claim = claim(store.heat(slot), this.#node.heatNow());
    message.handle = slot;
    // What is being read must not be evicted for what comes in meanwhile.
    store.pin(slot);
    return true;
  }

  // biome-ignore lint/complexity/useMaxParams: source, at, into, offset, length, as every copy of bytes
  read(message: Outgoing, from: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    const node = this.#node;
    switch (message.type) {
      case DROP:
        if (this.#holds(message)) node.store.read(message.handle, from, into, offset, lengthBytes);
        // Found corrupt or given up by the store under way. The peer is owed the rest of the message, and its hash will tell.
        else into.fill(0, offset, offset + lengthBytes);
        break;
      case OPEN:
      case RECONCILE:
        for (let i = 0; i < lengthBytes; i++) into[offset + i] = node.reconciliation.outbound[from + i]!;
        break;
      default:
        unhandled(message.type);
    }
  }

  finished(message: Outgoing, kept: boolean): void {
    const { reconciliation, events, store } = this.#node;
    switch (message.type) {
      case OPEN:
      case RECONCILE: {
        const last = message.handle === reconciliation.outboundNumber;
        if (!last || !reconciliation.concluded) return;
        // An OPEN that lists nothing asks nothing: that it was taken in is all there is to wait for.
        if (this.phase === "opening") this.#conclude();
        reconciliation.release(this.index);
        return;
      }
      case DROP: {
        const here = this.#holds(message);
        if (here) store.unpin(message.handle);
        if (!kept) return;
        this.countMoved();
        if (!here) return;
        this.#node.warm(message.handle);
        events.dropSent(message.handle, this.peer);
        return;
      }
      default:
        unhandled(message.type);
    }
  }

  // MessageSink

  /** A Drop that another contact is bringing is as good as here: should that fail, the next beacons differ. */
  wants(frame: FrameOf<MessageType>, now: number): boolean {
    switch (frame.type) {
      case OPEN:
      case RECONCILE:
        return true;
      case DROP:
        break;
      default:
        return unhandled(frame);
    }
    const { sequence, shortIdLow, shortIdHigh } = frame;
    const { store, assemblies } = this.#node;
    const known =
      store.find(shortIdLow, shortIdHigh) >= 0 || assemblies.fills(shortIdLow, shortIdHigh, this.index, now);
    // While it waits anyway there is nothing new to judge.
    if (!known && this.#needsToken && !this.#hasToken) {
      if (this.#waiting === NOTHING || precedes(sequence, this.#waiting)) this.#waiting = sequence;
      return true;
    }
    const admittance = known ? "departed" : this.#node.judge(shortIdLow);
    if (!known) this.#needsToken = admittance === "token";
    if (this.#waiting === sequence && admittance !== "token") this.#waiting = NOTHING;
    return admittance !== "departed";
  }

  assembly(frame: FrameOf<MessageType>, now: number): Assembly | undefined {
    this.#nowMs = now;
    switch (frame.type) {
      case DROP:
        if (this.#flashFailed) return undefined;
        if (this.#needsToken && !this.#maySpendToken(frame.sequence)) {
          // A peer that asks again is there, whatever became of its beacons.
          this.#beaconMs = now;
          return undefined;
        }
        return this.#node.assemblies.lend(frame, this.link.fragmentBytes, this.index, now);
      case OPEN:
      case RECONCILE: {
        if (!this.reconciling) return undefined;
        const { inbound } = this.#node.reconciliation;
        const fragmentBytes = frame.type === OPEN ? PAYLOAD_BYTES_V1 : this.link.fragmentBytes;
        if (!inbound.holds(frame.shortIdLow, frame.shortIdHigh, fragmentBytes)) {
          inbound.begin(frame.shortIdLow, frame.shortIdHigh, fragmentBytes, now);
        }
        return inbound;
      }
      default:
        return unhandled(frame);
    }
  }

  owns(assembly: Assembly): boolean {
    const { assemblies, reconciliation } = this.#node;
    return (this.reconciling && assembly === reconciliation.inbound) || assemblies.isLent(assembly, this.index);
  }

  get credit(): number {
    if (this.#flashFailed) return 0;
    const credit = this.#node.assemblies.credit(this.index);
    return this.#needsToken ? Math.max(0, Math.min(credit, this.tokens)) : credit;
  }

  #maySpendToken(sequence: number): boolean {
    if (!this.#hasToken || (this.#waiting !== NOTHING && this.#waiting !== sequence)) return false;
    this.#waiting = NOTHING;
    return true;
  }

  /** A token that none of the Drops under way will spend. */
  get #hasToken(): boolean {
    return this.tokens > this.#node.assemblies.held(this.index);
  }

  get window(): number {
    return this.#node.window;
  }

  complete(type: MessageType, assembly: Assembly): Completion {
    let opening = false;
    switch (type) {
      case OPEN:
        opening = true;
        break;
      case RECONCILE:
      case DROP:
        break;
      default:
        return unhandled(type);
    }
    // The buffer says whether the message is a Drop. The type is only that of the last fragment, which the peer chooses.
    if (!this.reconciling || assembly !== this.#node.reconciliation.inbound) {
      const outcome = this.#node.keep(assembly, this);
      this.#node.assemblies.release(assembly);
      if (outcome === "flash") this.#flashFailed = true;
      return COMPLETIONS[outcome];
    }
    const { bodyBytes } = assembly;
    digest(assembly.bytes, MESSAGE_PREFIX_BYTES, bodyBytes, this.#digest);
    const genuine = this.#digest[0] === assembly.shortIdLow && this.#digest[1] === assembly.shortIdHigh;
    if (genuine) this.#reconcile(opening, assembly.bytes, bodyBytes);
    assembly.clear();
    return genuine ? "kept" : "again";
  }

  #reconcile(opening: boolean, bytes: Uint8Array, bodyBytes: number): void {
    const { reconciliation } = this.#node;
    const expectsOpening = this.phase === "opening" && !this.initiator;
    if (opening !== expectsOpening || this.phase === "transferring") {
      this.#refused = true;
      return;
    }
    const accepted = opening
      ? reconciliation.answer(bytes, MESSAGE_PREFIX_BYTES, bodyBytes)
      : reconciliation.proceed(bytes, MESSAGE_PREFIX_BYTES, bodyBytes);
    if (!accepted) {
      this.#refused = true;
      return;
    }
    if (opening) this.link.fragmentBytes = reconciliation.fragmentBytes;
    this.phase = "reconciling";
    if (!reconciliation.concluded) return;
    this.#conclude();
    if (reconciliation.outboundBytes === 0) reconciliation.release(this.index);
  }

  /** What the peer lacks is known: from now on it is on offer. */
  #conclude(): void {
    this.phase = "transferring";
    this.#movedMs = this.#nowMs;
    for (let slot = 0; slot < this.#node.store.capacity; slot++) {
      if (this.#node.reconciliation.has(slot)) this.#offers.add(slot);
    }
    this.#node.events.reconciled(this.peer, this.#offers.count);
  }

  /** The Drop in this slot is gone. */
  withdraw(slot: number): void {
    this.#offers.remove(slot);
  }

  /** The contact ended with the message under way. */
  abandoned(message: Outgoing): void {
    switch (message.type) {
      case DROP:
        if (this.#holds(message)) this.#node.store.unpin(message.handle);
        break;
      case OPEN:
      case RECONCILE:
        break;
      default:
        unhandled(message.type);
    }
  }

  /** Is the Drop of this DROP message still in its slot? */
  #holds(message: Outgoing): boolean {
    const { store } = this.#node;
    const slot = message.handle;
    if (!store.occupied(slot)) return false;
    return store.idLow(slot) === message.shortIdLow && store.idHigh(slot) === message.shortIdHigh;
  }
}

/** Is message `a` of the sequence before `b`? */
function precedes(a: number, b: number): boolean {
  return ((b - a) & (SEQUENCE_COUNT - 1)) < SEQUENCE_COUNT / 2;
}
