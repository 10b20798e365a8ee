/**
 * A contact: the conversation of two nodes that hear each other (docs/protocol.md, "Contacts").
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
 * Two people who pass each other are in range for seconds, and the contact may end at any moment without notice. So the
 * two nodes first find out which Drops each of them lacks, and then send these Drops, the most important first. The
 * link makes the frames reliable. A contact is the source of the link's messages and their sink.
 *
 * Invariant: when a contact ends, every Drop that arrived whole and that admission let in is in the store. A contact
 * refuses to serve a Drop whose hash is not checked, and to take a Drop that the node has. It refuses to decide which
 * Drops come into the store (admission.ts).
 */
import type { Assembly } from "../glacier/assembly.ts";
import { type FrameOf, PAYLOAD_BYTES_V1 } from "../glacier/frame.ts";
import { DROP, type MessageType, OPEN, RECONCILE, unhandled } from "../glacier/frame-type.ts";
import { Link } from "../glacier/link.ts";
import { MESSAGE_PREFIX_BYTES } from "../glacier/message.ts";
import type { Completion, MessageSink, MessageSource, Outgoing } from "../glacier/ports.ts";
import type { Store } from "../store/store.ts";
import { claim } from "../temperature/temperature.ts";
import type { Ending } from "./acquaintances.ts";
import type { Admittance, Obstacle } from "./admission.ts";
import type { Assemblies } from "./assemblies.ts";
import type { Beacons } from "./beacons.ts";
import type { CloseReason, NodeEvents } from "./events.ts";
import { Offers } from "./offers.ts";
import { Patience } from "./patience.ts";
import { ADDRESS_BYTES, type MacAddress } from "./ports.ts";
import { type Reconciliation, SALT_NONCE_BYTES } from "./reconciliation.ts";
import { Tokens } from "./tokens.ts";

/**
 * A contact that has earned so many tokens yields its place to a peer that waits, even if it is busy. Its own peer may
 * open another contact afterwards, as all peers may that wait.
 */
const TOKENS_UNDISTURBED = 2;
/**
 * For so long a contact lets another node send a Drop that both offer: a full Drop takes 31 ms. The spread, by session,
 * lets one of several givers begin before the others.
 */
const DEFERENCE_MS = 40;
const DEFERENCE_SPREAD_MS = 31;

/**
 * What becomes of a Drop that arrived whole. `stored`, `known` and `flash` are outcomes of the store. `doubted`: the
 * Drop is stored, but the last copy that came was false, so the peer is not told that the Drop is kept. `departed`,
 * `colder`: the Drop does not come in. `token`: the Drop does not come in before this contact has a token. `busy`: the
 * Drop does not come in before a Drop that could die is no longer being read.
 */
export type KeepOutcome = "stored" | "doubted" | "known" | "flash" | "departed" | "token" | Obstacle;

/** What a contact asks of the Drops of its node (custody.ts). */
export interface Keeper {
  /** Heat time now. */
  heatNow(): number;
  /** The peer keeps the Drop in this slot. */
  handedOn(slot: number, peer: MacAddress): void;
  /** The peer took the Drop in this slot whole and did not keep it. */
  suspect(slot: number): void;
  /** The Drops that this contact offers are known. Check those that its peer has had. */
  recheck(contact: Contact): void;
  /** Whether every Drop that comes in now costs its contact a token. */
  readonly crowded: boolean;
  /** Whether a Drop comes in. `low`: the low word of its ShortId. */
  judge(low: number): Admittance;
  /** Store a Drop that arrived whole. Nobody's contact brought an overheard Drop. */
  keep(assembly: Assembly, peer: MacAddress, contact?: Contact): KeepOutcome;
}

/** What contacts that go on at once share (overhearing.ts). */
export interface SharedAir {
  /** Whether another node has sent Drops of this node lately. */
  amongGivers(now: number): boolean;
  /** The slot of a Drop that other contacts are sending now, and that this contact offers too; -1 if there is none. */
  underWay(contact: Contact): number;
  /** The fragments of this Drop that other contacts have sent by broadcast, as a mask. */
  aired(contact: Contact, shortIdLow: number, shortIdHigh: number): number;
  /** The Drop in this slot goes out, or has gone out, by broadcast in this contact, and others overhear it. */
  presume(contact: Contact, slot: number): void;
}

/** The parts of its node that a contact uses. */
export interface ContactOwner {
  readonly store: Store;
  readonly assemblies: Assemblies;
  readonly reconciliation: Reconciliation;
  readonly events: NodeEvents;
  /** Frames that the peer of one contact may have in flight. */
  readonly window: number;
  readonly custody: Keeper;
  readonly sharing: SharedAir;
}

/** What the link tells the peer for each outcome: whether the peer must send the Drop again. */
const COMPLETIONS: Readonly<Record<KeepOutcome, Completion>> = /* @__PURE__ */ Object.freeze({
  stored: "kept",
  doubted: "unwanted",
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
  readonly peerNonce = new Uint8Array(SALT_NONCE_BYTES);
  peerNonceKnown = false;
  phase: Phase = "free";
  initiator = false;
  /** How often in a row the last contacts with the peer came to nothing. */
  failures = 0;
  /** Drops that moved in this contact, in either direction. */
  moved = 0;
  readonly link: Link;
  readonly #node: ContactOwner;
  /** The index of this contact among the node's contacts. */
  readonly index: number;
  readonly #offers: Offers;
  readonly patience: Patience;
  readonly #tokens = new Tokens();
  /**
   * Drops that are no longer on offer because the peer has presumably overheard them. The next beacons tell whether it
   * has.
   */
  presumed = 0;
  /** Whether this contact may take it that its peer overhears. */
  presumes = true;
  /** The peer broke the rules of reconciliation. */
  #refused = false;
  /** The node's flash failed: this contact takes no more Drops, but still sends the Drops that the peer lacks. */
  #flashFailed = false;
  #nowMs = 0;
  /** Until then another node sends what this contact would send. */
  #defersUntilMs = 0;

  constructor(node: ContactOwner, index: number) {
    this.#node = node;
    this.index = index;
    this.#offers = new Offers(node.store);
    this.link = new Link(this, this);
    this.patience = new Patience(this.link);
  }

  begin(peer: MacAddress, sessionId: number, initiator: boolean, now: number): void {
    this.peer.set(peer);
    this.#node.assemblies.attend(this.index, peer);
    this.presumed = 0;
    this.presumes = true;
    this.phase = "opening";
    this.initiator = initiator;
    this.peerNonceKnown = false;
    this.moved = 0;
    this.#tokens.begin(now);
    this.patience.begin(now);
    this.#nowMs = now;
    this.#defersUntilMs = now;
    this.#offers.begin(sessionId);
    this.#refused = false;
    this.#flashFailed = false;
    this.link.begin(sessionId, now);
  }

  /** Whether this node opened the contact, and the peer has not answered yet. */
  get awaitsAnswer(): boolean {
    return this.phase === "opening" && this.initiator;
  }

  /**
   * Whether a peer that waits may have the workspace that this contact has: the peer had the time that an answer takes,
   * and did not answer. Without a peer that waits, the contact goes on for as long as `review` allows.
   */
  stalled(now: number): boolean {
    // Only this node's own openings earn patience: a peer that calls again and again must not.
    const failures = this.initiator ? this.failures : 0;
    if (this.patience.hadItsShare(failures, now)) return true;
    return !this.#node.reconciliation.outboundWaiting && this.patience.late(this.awaitsAnswer, failures, now);
  }

  /** Whether the two have reconciled, and a frame came so lately that nobody else speaks for the peer. */
  outweighs(now: number): boolean {
    return this.phase === "transferring" && this.patience.outweighs(now);
  }

  /** What came of the contact that ends now. */
  get ending(): Ending {
    if (this.moved > 0) return "moved";
    return this.awaitsAnswer ? "unanswered" : "barren";
  }

  end(): void {
    this.phase = "free";
    this.link.sender.abandon();
    this.#node.assemblies.orphan(this.index);
    this.#node.reconciliation.release(this.index);
  }

  /**
   * The peer's beacon was heard. False: its nonce is new, so the peer has woken anew and knows nothing of this contact.
   * Anyone may send a beacon under the peer's address. So a beacon with a new nonce says nothing while frames of the
   * session come.
   */
  beacon(beacons: Beacons, now: number): boolean {
    if (this.peerNonceKnown && !beacons.hasNonce(this.peerNonce)) return this.patience.outweighs(now);
    this.patience.beaconMs = now;
    if (!this.peerNonceKnown) beacons.readNonce(this.peerNonce);
    this.peerNonceKnown = true;
    return true;
  }

  /** Return why the contact is over. If it is not over, tell the link whether this node has more to send. */
  review(now: number): CloseReason | undefined {
    const { link } = this;
    this.#nowMs = now;
    if (this.#refused) return "refused";
    const { reconciling } = this;
    // While there is progress, patience need not be computed for each frame. The same holds in `deadline`.
    const safe = !reconciling && this.patience.safe(now);
    if (!safe && now >= this.#endMs) return reconciling ? "unanswered" : "silent";
    const done = this.phase === "transferring" && this.#offers.count === 0 && !reconciling && link.sender.idle;
    if (done && this.#flashFailed) return "flash";
    link.setDone(done);
    return done && link.peerDone && link.answered ? "done" : undefined;
  }

  /** Tokens that this contact has earned and not spent. */
  get tokens(): number {
    return this.#tokens.left(this.#nowMs);
  }

  /** A Drop came in for a token. */
  spendToken(): void {
    this.#tokens.spend(this.#nowMs);
  }

  /** A Drop moved in this contact, and its receiver kept it. */
  countMoved(): void {
    this.moved++;
    this.patience.movedMs = this.#nowMs;
  }

  /**
   * Whether this contact may yield its place to a peer that waits (docs/temperature.md, "Admission"). It may in five
   * cases:
   * - Its peer is not heard.
   * - A Drop has been coming for long and is not whole.
   * - No Drop moved for longer than a token's interval.
   * - The contact has lasted for long.
   * - It has spent a token and waits for the next, and its peer has received all Drops that it lacks.
   */
  get lingers(): boolean {
    if (this.patience.stagnates(this.#nowMs)) return true;
    if (this.#tokens.earned(this.#nowMs) >= TOKENS_UNDISTURBED) return true;
    const served = this.#offers.count === 0 && this.link.sender.idle;
    return this.#costsToken && this.#tokens.spent > 0 && this.tokens <= 0 && served;
  }

  get deadline(): number {
    const { link } = this;
    let { deadline } = link;
    const safe = !this.reconciling && this.patience.safe(deadline);
    if (!safe) deadline = Math.min(deadline, this.#endMs);
    if (this.#nowMs < this.#defersUntilMs && this.#offers.count > 0) deadline = Math.min(deadline, this.#defersUntilMs);
    if (!link.roomless || link.peerDone || !this.#costsToken) return deadline;
    return Math.min(deadline, this.#tokens.nextMs(this.#nowMs));
  }

  /** Whether the next Drop comes in only for a token. */
  get #costsToken(): boolean {
    return this.#tokens.needed || this.#node.custody.crowded;
  }

  /** Whether this contact has the workspace. The last message of its reconciliation may still be under way. */
  get reconciling(): boolean {
    return this.#node.reconciliation.owner === this.index;
  }

  /** When this contact is given up if nothing happens, in clock milliseconds. */
  get #endMs(): number {
    const { endMs } = this.patience;
    return this.reconciling ? Math.min(endMs, this.patience.reconciliationEndMs(this.phase === "opening")) : endMs;
  }

  // MessageSource

  get waiting(): boolean {
    return (this.#offers.count > 0 && !this.#defers) || this.needsNoRoom;
  }

  get #defers(): boolean {
    return this.#nowMs < this.#defersUntilMs;
  }

  get needsNoRoom(): boolean {
    return this.reconciling && this.#node.reconciliation.outboundWaiting;
  }

  next(message: Outgoing): boolean {
    const { reconciliation } = this.#node;
    if (this.needsNoRoom) {
      this.patience.askedMs = this.#nowMs;
      message.type = this.awaitsAnswer ? OPEN : RECONCILE;
      reconciliation.give(message);
      return true;
    }
    if (!this.waiting) return false;
    const { store } = this.#node;
    let slot = this.#node.sharing.underWay(this);
    if (slot >= 0) this.#offers.remove(slot);
    else slot = this.#offers.take(this.#node.sharing.amongGivers(this.#nowMs));
    if (slot < 0) return false;
    message.type = DROP;
    message.shortIdLow = store.idLow(slot);
    message.shortIdHigh = store.idHigh(slot);
    message.bodyBytes = store.lengthBytes(slot);
    message.claim = claim(store.heat(slot), this.#node.custody.heatNow());
    message.handle = slot;
    message.aired = this.#node.sharing.aired(this, message.shortIdLow, message.shortIdHigh);
    // A Drop of one frame goes out once. A Drop of several frames goes to all peers together, and each of them tells
    // what it lacks.
    if (MESSAGE_PREFIX_BYTES + message.bodyBytes <= this.link.fragmentBytes) this.#node.sharing.presume(this, slot);
    // A Drop that is being read must not die for a Drop that comes in meanwhile.
    store.pin(slot);
    return true;
  }

  // biome-ignore lint/complexity/useMaxParams: source, at, into, offset, length, as every copy of bytes
  read(message: Outgoing, from: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    const node = this.#node;
    switch (message.type) {
      case DROP:
        if (this.#holds(message)) node.store.read(message.handle, from, into, offset, lengthBytes);
        // The Drop was found corrupt or given up while it was sent. The link still needs the rest of the message, and
        // the hash tells the peer that the Drop is wrong.
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

  finished(message: Outgoing, kept: boolean, whole = false): void {
    const { reconciliation, events, store } = this.#node;
    switch (message.type) {
      case OPEN:
      case RECONCILE: {
        const last = message.handle === reconciliation.outboundNumber;
        if (!last || !reconciliation.concluded) return;
        // An OPEN that lists nothing needs no answer. The contact goes on as soon as the peer has taken the OPEN.
        if (this.phase === "opening") this.#conclude();
        reconciliation.release(this.index);
        return;
      }
      case DROP: {
        const here = this.#holds(message);
        if (here) store.unpin(message.handle);
        if (here && whole && !kept) this.#node.custody.suspect(message.handle);
        if (!kept) return;
        this.countMoved();
        if (!here) return;
        this.#node.sharing.presume(this, message.handle);
        this.#node.custody.handedOn(message.handle, this.peer);
        events.dropSent(message.handle, this.peer);
        return;
      }
      default:
        unhandled(message.type);
    }
  }

  // MessageSink

  /**
   * Whether the message is wanted. A Drop that another contact is bringing counts as known. If that contact fails, the
   * next beacons still differ, and the Drop comes by a later contact.
   */
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
    // While this contact waits for a token, there is nothing new to judge.
    const tokens = this.#tokens;
    if (!known && tokens.needed && !this.#hasToken) {
      tokens.wait(sequence);
      return true;
    }
    const admittance = known ? "departed" : this.#node.custody.judge(shortIdLow);
    if (!known) tokens.needed = admittance === "token";
    if (admittance !== "token") tokens.forget(sequence);
    return admittance !== "departed";
  }

  assembly(frame: FrameOf<MessageType>, now: number): Assembly | undefined {
    this.#nowMs = now;
    switch (frame.type) {
      case DROP:
        if (this.#flashFailed) return undefined;
        // The Drop comes in now if there is a token, and no earlier Drop waits for it.
        if (this.#tokens.needed && !(this.#hasToken && this.#tokens.isNext(frame.sequence))) {
          // A peer that asks again is in range, even if its beacons were lost.
          this.patience.beaconMs = now;
          return undefined;
        }
        break;
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
    const assembly = this.#node.assemblies.lend(frame, this.link.fragmentBytes, this.index, now);
    if (assembly !== undefined) this.patience.comes(now);
    return assembly;
  }

  owns(assembly: Assembly): boolean {
    const { assemblies, reconciliation } = this.#node;
    return (this.reconciling && assembly === reconciliation.inbound) || assemblies.isLent(assembly, this.index);
  }

  shelve(assembly: Assembly): void {
    if (!this.reconciling || assembly !== this.#node.reconciliation.inbound) this.#node.assemblies.shelve(assembly);
  }

  get credit(): number {
    if (this.#flashFailed) return 0;
    const credit = this.#node.assemblies.credit(this.index);
    return this.#costsToken ? Math.max(0, Math.min(credit, this.tokens)) : credit;
  }

  /** Whether the contact has a token that none of the Drops under way will spend. */
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
    // The buffer says whether the message is a Drop. `type` is only the type of the last fragment, which the peer
    // chooses.
    if (!this.reconciling || assembly !== this.#node.reconciliation.inbound) {
      this.patience.came();
      const outcome = this.#node.custody.keep(assembly, this.peer, this);
      this.#node.assemblies.release(assembly);
      if (outcome === "flash") this.#flashFailed = true;
      return COMPLETIONS[outcome];
    }
    const genuine = this.#node.reconciliation.isGenuine(assembly);
    if (genuine) this.#reconcile(opening, assembly.bytes, assembly.bodyBytes);
    assembly.clear();
    return genuine ? "kept" : "again";
  }

  /** Give a whole message of the reconciliation to the workspace, and prepare the answer. */
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

  /** The reconciliation is over: from now on the Drops that the peer lacks are on offer. */
  #conclude(): void {
    this.phase = "transferring";
    this.patience.movedMs = this.#nowMs;
    for (let slot = 0; slot < this.#node.store.capacity; slot++) {
      if (this.#node.reconciliation.has(slot)) this.#offers.add(slot);
    }
    this.#node.custody.recheck(this);
    this.#node.events.reconciled(this.peer, this.#offers.count);
  }

  /** The Drop in this slot is gone, so it is no longer on offer. */
  withdraw(slot: number): void {
    this.#offers.remove(slot);
  }

  /** Whether the Drop in this slot is on offer: the peer lacks it. */
  lacks(slot: number): boolean {
    return this.#offers.has(slot);
  }

  /** Whether the Drop in this slot is on offer and may go out. */
  offers(slot: number): boolean {
    return this.#offers.has(slot) && this.#node.store.verified(slot);
  }

  /**
   * The Drop in this slot went out by broadcast to another node, and the peer has presumably overheard it. A peer that
   * had no room takes nothing that it overhears.
   */
  presume(slot: number): boolean {
    if (!this.presumes || this.link.sender.room.scarce || !this.#offers.has(slot)) return false;
    this.#offers.remove(slot);
    this.presumed++;
    return true;
  }

  /**
   * Another node was heard sending the Drop in this slot. If this contact offered the Drop, it lets the other node send
   * for as long as the Drop takes. Otherwise the two would fight for the air.
   */
  given(slot: number, now: number): void {
    if (this.presume(slot)) this.#defersUntilMs = now + DEFERENCE_MS + (this.link.sessionId & DEFERENCE_SPREAD_MS);
  }

  /** The hash of the Drop in this slot was found right, so the Drop may go out if it is on offer. */
  verified(slot: number): void {
    this.#offers.verified(slot);
  }

  /** The contact ended while the message was under way. */
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

  /** Whether the Drop of this DROP message is still in its slot. */
  #holds(message: Outgoing): boolean {
    return this.#node.store.holds(message.handle, message.shortIdLow, message.shortIdHigh);
  }
}
