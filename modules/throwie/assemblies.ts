/**
 * The node's message buffers: ASSEMBLIES_MAX buffers for all contacts, each as large as a Drop (docs/protocol.md,
 * "Memory").
 *
 * A Drop arrives in fragments, and a contact may end at any moment. A node that gave each Drop a buffer of its own
 * would let its peers decide how much memory it uses. A node that threw half-received Drops away would receive them
 * twice.
 *
 * So a buffer is lent to one contact at a time, for one Drop. When that contact ends, a half-received Drop stays in its
 * buffer as an orphan. The next contact with the same peer that brings the same Drop resumes the orphan. When a contact
 * needs a buffer, and no buffer is empty, the orphan that was touched longest ago is given up.
 *
 * Fragments of different peers never share a buffer. Otherwise anyone could send one false fragment of a Drop, and an
 * honest peer would complete a false Drop. An orphan to which two contacts added nothing is given up too: its fragments
 * may say that more of them are missing than there are.
 *
 * The reconciliation uses the last two buffers while it runs: one for the message in, one for the message out. When the
 * reconciliation wants these buffers and finds Drops in them, no further Drop begins there for RESERVED_MS. That is a
 * long time for a Drop, and the node that wanted to reconcile tries again within it.
 *
 * Invariant: reassembly never takes more than these buffers, whatever peers do. This class refuses to take a buffer
 * from an open contact, except for a reconciliation that has waited for the buffer for PATIENCE_MS. While one contact
 * brings a Drop, others need not. But when nothing was added to the buffer for STALE_MS, another contact gets a buffer
 * for the same Drop. So a peer that begins a Drop and does not go on cannot keep the Drop from the node.
 */
import { Assembly } from "../glacier/assembly.ts";
import { type Frame, PAYLOAD_BYTES_V1, PAYLOAD_BYTES_V2 } from "../glacier/frame.ts";
import { ADDRESS_BYTES, type MacAddress } from "./ports.ts";

/**
 * Four buffers keep a contact's air busy while one frame in ten is lost, and six while three frames in ten are lost,
 * because a Drop with missing fragments waits for several acknowledgements.
 */
const ASSEMBLIES_MAX = 6;
/** Buffers that are left while a reconciliation runs. One contact may hold as many while other contacts are open. */
const ASSEMBLIES_SHARED = 4;
const INBOUND = ASSEMBLIES_SHARED;
const OUTBOUND = ASSEMBLIES_SHARED + 1;
/** A buffer to which nothing was added for so long is stale. Ten frames at 1 Mbit/s take 30 ms. */
const STALE_MS = 500;
/** So long no further Drop begins in the reconciliation's buffers: a beacon interval and a half. */
const RESERVED_MS = 1_500;
/**
 * After so long the reconciliation gets its buffers, whatever is in them. This is long for a Drop that is really
 * coming, and a peer that sends a fragment now and then does not keep other peers from reconciling.
 */
const PATIENCE_MS = 500;
/** Of a buffer: the contact that had it last added nothing. */
const IN_VAIN = 0x80;
/** Contacts that may be open at once (contacts.ts). */
const CONTACTS_MAX = 4;
/**
 * An overheard Drop to which nothing was added for so long gives way to another. Meanwhile a sender at 1 Mbit/s has
 * sent four more Drops, and has repaired what its own peers missed.
 */
const PASSING_MS = 100;
const ORPHAN = -1;
const RECONCILER = -2;

/** Decides which overheard Drops begin. */
interface Gate {
  /** Whether the node would keep a Drop that it overhears. `low`: the low word of its ShortId. */
  keepsOverheard(low: number): boolean;
}

export class Assemblies {
  readonly #assemblies: Assembly[] = [];
  readonly #owners = new Int8Array(ASSEMBLIES_MAX).fill(ORPHAN);
  /** For each buffer, the peer whose fragments are in it: a hash of its address. */
  readonly #senders = new Uint32Array(ASSEMBLIES_MAX);
  /** For each contact, its peer. */
  readonly #peers = new Uint32Array(CONTACTS_MAX);
  /** How many fragments were in each buffer when it was lent, and IN_VAIN if the contact before added none. */
  readonly #lentCounts = new Uint8Array(ASSEMBLIES_MAX);
  /** Contacts that are open, at least 1: they share the buffers. */
  contacts = 1;
  #reservedUntilMs = 0;

  constructor() {
    for (let i = 0; i < ASSEMBLIES_MAX; i++) this.#assemblies.push(new Assembly());
  }

  get inbound(): Assembly {
    return this.#assemblies[INBOUND]!;
  }

  get outbound(): Uint8Array {
    return this.#assemblies[OUTBOUND]!.bytes;
  }

  /**
   * Take `inbound` and `outbound` for a reconciliation. False: Drops are in these buffers, and the caller tries again
   * soon. A caller that tries again after PATIENCE_MS gets the buffers, whatever is in them.
   */
  reserve(now: number): boolean {
    if (this.#owners[INBOUND]! >= 0 || this.#owners[OUTBOUND]! >= 0) {
      if (now >= this.#reservedUntilMs) this.#reservedUntilMs = now + RESERVED_MS;
      if (now < this.#reservedUntilMs - RESERVED_MS + PATIENCE_MS) return false;
    }
    this.#reservedUntilMs = now;
    this.#vacate(INBOUND);
    this.#vacate(OUTBOUND);
    return true;
  }

  /** Give `inbound` and `outbound` back: the reconciliation is over. */
  unreserve(): void {
    this.inbound.clear();
    this.#owners[INBOUND] = this.#owners[OUTBOUND] = ORPHAN;
  }

  /** A contact with this peer begins. */
  attend(contact: number, peer: MacAddress): void {
    this.#peers[contact] = hashOf(peer);
  }

  /**
   * Lend a buffer for the Drop to which the frame belongs. The buffer contains the fragments of this Drop that the peer
   * has sent before. Undefined when the contact is receiving the Drop already, when it holds as many buffers as it may,
   * or when no buffer is free.
   */
  lend(frame: Frame, fragmentBytes: number, contact: number, now: number): Assembly | undefined {
    const peer = this.#peers[contact]!;
    const { shortIdLow, shortIdHigh } = frame;
    let best = -1;
    let held = 0;
    let same = -1;
    for (let i = 0; i < ASSEMBLIES_MAX; i++) {
      const assembly = this.#assemblies[i]!;
      const owner = this.#owners[i]!;
      if (owner === contact) held++;
      const ours = owner !== RECONCILER && this.#senders[i] === peer;
      if (ours && assembly.holds(shortIdLow, shortIdHigh, fragmentBytes)) same = i;
      const free = owner === ORPHAN && (i < ASSEMBLIES_SHARED || now >= this.#reservedUntilMs);
      if (free && (best < 0 || older(assembly, this.#assemblies[best]!))) best = i;
    }
    if (held >= this.#heldMax) return undefined;
    if (same >= 0) {
      const assembly = this.#assemblies[same]!;
      if (this.#owners[same] !== ORPHAN && now - assembly.touchedMs < STALE_MS) return undefined;
      this.#owners[same] = contact;
      this.#lentCounts[same] = (this.#lentCounts[same]! & IN_VAIN) | fragmentsOf(assembly);
      return assembly;
    }
    if (best < 0) return undefined;
    const assembly = this.#assemblies[best]!;
    assembly.begin(shortIdLow, shortIdHigh, fragmentBytes, now);
    this.#owners[best] = contact;
    this.#senders[best] = peer;
    this.#lentCounts[best] = 0;
    return assembly;
  }

  /**
   * Take a fragment that its sender meant for another node. A Drop begins only if the gate lets it in, and in a buffer
   * that nobody has used for PASSING_MS. Returns the buffer if it took the fragment.
   */
  overhear(frame: Frame, from: MacAddress, now: number, gate: Gate): Assembly | undefined {
    const { shortIdLow, shortIdHigh, payloadBytes } = frame;
    const sender = hashOf(from);
    let best = -1;
    for (let i = 0; i < ASSEMBLIES_MAX; i++) {
      const assembly = this.#assemblies[i]!;
      const owner = this.#owners[i]!;
      if (owner === RECONCILER) continue;
      if (assembly.isOf(shortIdLow, shortIdHigh)) {
        if (this.#senders[i] === sender) return assembly.put(frame, now) === "new" ? assembly : undefined;
        // Another node is bringing this Drop.
        if (now - assembly.touchedMs < STALE_MS) return undefined;
      }
      const idle = assembly.mask === 0 || now - assembly.touchedMs >= PASSING_MS;
      const free = owner === ORPHAN && idle && (i < ASSEMBLIES_SHARED || now >= this.#reservedUntilMs);
      if (free && (best < 0 || older(assembly, this.#assemblies[best]!))) best = i;
    }
    if (best < 0 || !gate.keepsOverheard(shortIdLow)) return undefined;
    const assembly = this.#assemblies[best]!;
    const fragmentBytes = payloadBytes > PAYLOAD_BYTES_V1 ? PAYLOAD_BYTES_V2 : PAYLOAD_BYTES_V1;
    assembly.begin(shortIdLow, shortIdHigh, fragmentBytes, now);
    this.#senders[best] = sender;
    return assembly.put(frame, now) === "new" ? assembly : undefined;
  }

  /** The contact to which the buffer is lent; negative when it is lent to none. */
  ownerOf(assembly: Assembly): number {
    return this.#owners[this.#assemblies.indexOf(assembly)]!;
  }

  /** Whether another contact is bringing this Drop, and has added to it within STALE_MS. */
  fills(shortIdLow: number, shortIdHigh: number, contact: number, now: number): boolean {
    for (let i = 0; i < ASSEMBLIES_MAX; i++) {
      const owner = this.#owners[i]!;
      if (owner < 0 || owner === contact) continue;
      const assembly = this.#assemblies[i]!;
      if (assembly.isOf(shortIdLow, shortIdHigh) && now - assembly.touchedMs < STALE_MS) return true;
    }
    return false;
  }

  /** The number of buffers that the contact holds: one for each Drop that it has begun. */
  held(contact: number): number {
    let held = 0;
    for (let i = 0; i < ASSEMBLIES_MAX; i++) if (this.#owners[i] === contact) held++;
    return held;
  }

  isLent(assembly: Assembly, contact: number): boolean {
    return this.#owners[this.#assemblies.indexOf(assembly)] === contact;
  }

  /** Empty the buffer and make it free: its message was taken out, or given up. */
  release(assembly: Assembly): void {
    assembly.clear();
    this.#owners[this.#assemblies.indexOf(assembly)] = ORPHAN;
  }

  /** The contact fills the buffer no more. Its half-received Drop stays until the buffer is needed. */
  shelve(assembly: Assembly): void {
    this.#owners[this.#assemblies.indexOf(assembly)] = ORPHAN;
  }

  /** The contact ended. Its half-received Drops stay until their buffers are needed, unless nothing comes of them. */
  orphan(contact: number): void {
    for (let i = 0; i < ASSEMBLIES_MAX; i++) {
      if (this.#owners[i] !== contact) continue;
      this.#owners[i] = ORPHAN;
      const assembly = this.#assemblies[i]!;
      if (fragmentsOf(assembly) > (this.#lentCounts[i]! & ~IN_VAIN)) this.#lentCounts[i] = 0;
      else if (this.#lentCounts[i]! & IN_VAIN) assembly.clear();
      else this.#lentCounts[i]! |= IN_VAIN;
    }
  }

  /** How many Drops the contact may have under way: the Drops that it has begun, and its share of the free buffers. */
  credit(contact: number): number {
    let free = 0;
    for (let i = 0; i < ASSEMBLIES_MAX; i++) if (this.#owners[i] === ORPHAN) free++;
    const share = free === 0 ? 0 : Math.max(Math.floor(free / this.contacts), 1);
    return Math.min(this.held(contact) + share, this.#heldMax);
  }

  get #heldMax(): number {
    return this.contacts > 1 ? ASSEMBLIES_SHARED : ASSEMBLIES_MAX;
  }
  /**
   * Give the buffer to the reconciliation. A half-received Drop in the buffer moves to a free buffer that is empty or
   * holds an older Drop, if there is one.
   */
  #vacate(place: number): void {
    const assembly = this.#assemblies[place]!;
    if (assembly.mask !== 0 && this.#owners[place] !== RECONCILER) {
      for (let i = 0; i < ASSEMBLIES_SHARED; i++) {
        if (this.#owners[i] !== ORPHAN || !older(this.#assemblies[i]!, assembly)) continue;
        this.#assemblies[i]!.adopt(assembly);
        this.#senders[i] = this.#senders[place]!;
        break;
      }
    }
    assembly.clear();
    this.#owners[place] = RECONCILER;
  }
}

/** How many fragments are in the buffer. */
function fragmentsOf(assembly: Assembly): number {
  let count = 0;
  for (let { mask } = assembly; mask !== 0; mask &= mask - 1) count++;
  return count;
}

function hashOf(address: MacAddress): number {
  let hash = 0;
  for (let i = 0; i < ADDRESS_BYTES; i++) hash = Math.imul(hash, 0x01000193) ^ address[i]!;
  return hash >>> 0;
}

/** Whether buffer `a` is given up before `b`: an empty buffer first, then the buffer that was touched longest ago. */
function older(a: Assembly, b: Assembly): boolean {
  if (b.mask === 0) return false;
  return a.mask === 0 || a.touchedMs < b.touchedMs;
}
