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
import { type FrameOf, PAYLOAD_BYTES_V1, SEQUENCE_COUNT } from "../glacier/frame.ts";
import { DROP, type MessageType, OPEN, RECONCILE, unhandled } from "../glacier/frame-type.ts";
import { Link } from "../glacier/link.ts";
import { digest, MESSAGE_PREFIX_BYTES } from "../glacier/message.ts";
import type { Completion, MessageSink, MessageSource, Outgoing } from "../glacier/ports.ts";
import type { Store } from "../store/store.ts";
import { claim } from "../temperature/temperature.ts";
import type { Ending } from "./acquaintances.ts";
import { type Admittance, type Obstacle, TOKEN_INTERVAL_MS } from "./admission.ts";
import type { Assemblies } from "./assemblies.ts";
import type { Beacons } from "./beacons.ts";
import type { CloseReason, NodeEvents } from "./events.ts";
import { Offers } from "./offers.ts";
import { ADDRESS_BYTES, type MacAddress } from "./ports.ts";
import { type Reconciliation, SALT_NONCE_BYTES } from "./reconciliation.ts";

/** An opening is given up after so long without an answer. The link has repeated it half a dozen times by then. */
const OPENING_TIMEOUT_MS = 1_500;
/** When not even a beacon was heard for so long, the peer has walked away. Two beacon intervals and a half. */
const SILENT_TIMEOUT_MS = 2_500;
/** In so long a peer answers an OPEN. A board of 750 Drops needs half of this to salt its set and to summarise it. */
const ANSWER_MS = 300;
/** In so long a peer goes on with a reconciliation that it has begun: several round trips. */
const STEP_MS = 150;
/** However well a reconciliation goes on, after so long other peers may have the workspace. */
const SHARE_MS = 750;
/** A peer with which contacts came to nothing gets these times doubled, up to so often: it may be far away by line. */
const PATIENCE_DOUBLINGS_MAX = 2;
/**
 * The same while one of the two waits for room at the other. Then they exchange a frame every 4 s, and beacons may be
 * lost. The contact yields its place meanwhile to whoever wants it.
 */
const WAITING_TIMEOUT_MS = 6_000;
/** For so long a frame of the session outweighs a beacon that says that the peer woke anew. */
const SESSION_OUTWEIGHS_MS = 500;
/** A Drop that takes longer to come is brought on purpose, or from the edge of range: ten frames are 30 ms of air. */
const TRICKLE_MS = 3_000;
/** After so long a silence, a contact yields its place if another node wants it. A beacon interval and a half. */
const QUIET_MS = 1_500;
/** After so long without progress, though frames or beacons come, the peer has closed the session or plays for time. */
const IDLE_TIMEOUT_MS = 10_000;
/**
 * A reconciliation is given up after so long, because other contacts need the workspace. This is many times the tenth
 * of a second that a reconciliation takes.
 */
const RECONCILING_TIMEOUT_MS = 3_000;
/**
 * A contact that has earned so many tokens yields its place to a peer that waits, even if it is busy. Its own peer may
 * open another contact afterwards, as all peers may that wait.
 */
const TOKENS_UNDISTURBED = 2;
/** The limit of tokens that are saved up: a peer that waits for long cannot displace all newcomers at once. */
const TOKENS_SAVED_MAX = 2;
/**
 * For so long a contact lets another node send a Drop that both offer: a full Drop takes 31 ms. The spread, by session,
 * lets one of several givers begin before the others.
 */
const DEFERENCE_MS = 40;
const DEFERENCE_SPREAD_MS = 31;
const NOTHING = -1;

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
  /** Drops that this contact brought into a full share of newcomers (admission.ts). */
  tokensSpent = 0;
  readonly link: Link;
  readonly #node: ContactOwner;
  /** The index of this contact among the node's contacts. */
  readonly index: number;
  readonly #offers: Offers;
  /** When the peer's beacon was last heard, in clock milliseconds. */
  #beaconMs = 0;
  /** When a Drop last moved, or could first have begun to move. */
  #movedMs = 0;
  /** When the Drop began to come that is not whole yet; NOTHING if none comes. */
  #comingSinceMs = NOTHING;
  /** When a message of the reconciliation was last given to the link. */
  #askedMs = 0;
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
  /** The Drop that the peer began last comes in only for a token. */
  #needsToken = false;
  /**
   * The sequence number of the Drop that waits for a token. Of several Drops that wait it is the lowest, because a peer
   * sends the Drops first that matter most to it.
   */
  #waiting = NOTHING;
  #nowMs = 0;
  /** Until then another node sends what this contact would send. */
  #defersUntilMs = 0;
  readonly #digest = new Uint32Array(2);

  constructor(node: ContactOwner, index: number) {
    this.#node = node;
    this.index = index;
    this.#offers = new Offers(node.store);
    this.link = new Link(this, this);
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
    this.tokensSpent = 0;
    this.#needsToken = false;
    this.#waiting = NOTHING;
    this.#nowMs = now;
    this.#defersUntilMs = now;
    this.#offers.begin(sessionId);
    this.#beaconMs = now;
    this.#movedMs = now;
    this.#comingSinceMs = NOTHING;
    this.#askedMs = now;
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
    const doubled = this.initiator ? 1 << Math.min(this.failures, PATIENCE_DOUBLINGS_MAX) : 1;
    if (now - this.link.begunMs >= SHARE_MS * doubled) return true;
    if (this.#node.reconciliation.outboundWaiting) return false;
    const patienceMs = this.awaitsAnswer ? ANSWER_MS : STEP_MS;
    return now - Math.max(this.#askedMs, this.link.progressMs) >= patienceMs * doubled;
  }

  /** Whether the two have reconciled, and a frame came so lately that nobody else speaks for the peer. */
  outweighs(now: number): boolean {
    return this.phase === "transferring" && now - this.link.heardMs < SESSION_OUTWEIGHS_MS;
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
    if (this.peerNonceKnown && !beacons.hasNonce(this.peerNonce)) return now - this.link.heardMs < SESSION_OUTWEIGHS_MS;
    this.#beaconMs = now;
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
    const safe = !reconciling && now < link.progressMs + SILENT_TIMEOUT_MS;
    if (!safe && now >= this.#patienceMs) return reconciling ? "unanswered" : "silent";
    const done = this.phase === "transferring" && this.#offers.count === 0 && !reconciling && link.sender.idle;
    if (done && this.#flashFailed) return "flash";
    link.setDone(done);
    return done && link.peerDone && link.answered ? "done" : undefined;
  }

  /** Tokens that this contact has earned and not spent: one for each TOKEN_INTERVAL_MS, TOKENS_SAVED_MAX at most. */
  get tokens(): number {
    return Math.min(this.#tokensEarned - this.tokensSpent, TOKENS_SAVED_MAX);
  }

  /** A Drop came in for a token. Tokens beyond the limit are lost. */
  spendToken(): void {
    this.tokensSpent = Math.max(this.tokensSpent, this.#tokensEarned - TOKENS_SAVED_MAX) + 1;
  }

  /** A Drop moved in this contact, and its receiver kept it. */
  countMoved(): void {
    this.moved++;
    this.#movedMs = this.#nowMs;
  }

  get #tokensEarned(): number {
    return Math.floor((this.#nowMs - this.link.begunMs) / TOKEN_INTERVAL_MS);
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
    const now = this.#nowMs;
    // A peer at which this node waits for room says little.
    if (now - this.peerHeardMs >= (this.link.sender.room.none ? WAITING_TIMEOUT_MS : QUIET_MS)) return true;
    if (now - this.#movedMs >= TOKEN_INTERVAL_MS + QUIET_MS) return true;
    if (this.#comingSinceMs !== NOTHING && now - this.#comingSinceMs >= TRICKLE_MS) return true;
    if (this.#tokensEarned >= TOKENS_UNDISTURBED) return true;
    const served = this.#offers.count === 0 && this.link.sender.idle;
    return this.#costsToken && this.tokensSpent > 0 && this.tokens <= 0 && served;
  }

  /** When the peer was last heard, in clock milliseconds. */
  get peerHeardMs(): number {
    return Math.max(this.link.heardMs, this.#beaconMs);
  }

  get deadline(): number {
    const { link } = this;
    let { deadline } = link;
    const safe = !this.reconciling && deadline <= link.progressMs + SILENT_TIMEOUT_MS;
    if (!safe) deadline = Math.min(deadline, this.#patienceMs);
    if (this.#nowMs < this.#defersUntilMs && this.#offers.count > 0) deadline = Math.min(deadline, this.#defersUntilMs);
    if (!link.roomless || link.peerDone || !this.#costsToken) return deadline;
    return Math.min(deadline, link.begunMs + (this.#tokensEarned + 1) * TOKEN_INTERVAL_MS);
  }

  /** Whether the next Drop comes in only for a token. */
  get #costsToken(): boolean {
    return this.#needsToken || this.#node.custody.crowded;
  }

  /** Whether this contact has the workspace. The last message of its reconciliation may still be under way. */
  get reconciling(): boolean {
    return this.#node.reconciliation.owner === this.index;
  }

  /** When this contact is given up if nothing happens, in clock milliseconds. */
  get #patienceMs(): number {
    const { link } = this;
    // A beacon says that the peer is near. It does not say that the peer still knows this session. So while messages
    // wait for an answer, only frames of the session count. A peer without room has answered.
    const { sender } = link;
    const { none } = sender.room;
    const heardMs = none || sender.idle ? this.peerHeardMs : link.heardMs;
    const silentMs = heardMs + (none || (link.roomless && !link.peerDone) ? WAITING_TIMEOUT_MS : SILENT_TIMEOUT_MS);
    const idleMs = Math.min(silentMs, link.progressMs + IDLE_TIMEOUT_MS);
    if (!this.reconciling) return idleMs;
    return Math.min(idleMs, link.begunMs + (this.phase === "opening" ? OPENING_TIMEOUT_MS : RECONCILING_TIMEOUT_MS));
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
      reconciliation.outboundWaiting = false;
      this.#askedMs = this.#nowMs;
      digest(reconciliation.outbound, 0, reconciliation.outboundBytes, this.#digest);
      message.type = this.awaitsAnswer ? OPEN : RECONCILE;
      message.shortIdLow = this.#digest[0]!;
      message.shortIdHigh = this.#digest[1]!;
      message.bodyBytes = reconciliation.outboundBytes;
      message.claim = 0;
      message.aired = 0;
      message.handle = reconciliation.outboundNumber;
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
    if (!known && this.#needsToken && !this.#hasToken) {
      if (this.#waiting === NOTHING || precedes(sequence, this.#waiting)) this.#waiting = sequence;
      return true;
    }
    const admittance = known ? "departed" : this.#node.custody.judge(shortIdLow);
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
          // A peer that asks again is in range, even if its beacons were lost.
          this.#beaconMs = now;
          return undefined;
        }
        return this.#lend(frame, now);
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

  #lend(frame: FrameOf<MessageType>, now: number): Assembly | undefined {
    const assembly = this.#node.assemblies.lend(frame, this.link.fragmentBytes, this.index, now);
    if (assembly !== undefined && this.#comingSinceMs === NOTHING) this.#comingSinceMs = now;
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

  /** Whether the Drop with this sequence number may come in now: there is a token, and no earlier Drop waits for it. */
  #maySpendToken(sequence: number): boolean {
    if (!this.#hasToken || (this.#waiting !== NOTHING && this.#waiting !== sequence)) return false;
    this.#waiting = NOTHING;
    return true;
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
      this.#comingSinceMs = NOTHING;
      const outcome = this.#node.custody.keep(assembly, this.peer, this);
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
    this.#movedMs = this.#nowMs;
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

/** Whether sequence number `a` is before `b`. */
function precedes(a: number, b: number): boolean {
  return ((b - a) & (SEQUENCE_COUNT - 1)) < SEQUENCE_COUNT / 2;
}
