/**
 * The node's message buffers: ASSEMBLIES_MAX of them for all contacts, each as large as a Drop (docs/protocol.md, "Memory").
 *
 * A buffer is lent to one contact at a time, for a Drop on its way in. When that contact ends, a half-received Drop
 * stays as an orphan and the next contact that brings the same Drop resumes it; under need the orphan that was touched
 * longest ago is given up. So reassembly is bounded in bytes whatever peers do. Another contact's buffer is taken over
 * only with the same Drop in it, when nothing was added to it for STALE_MS: a peer that begins a Drop and does not go
 * on keeps nobody from it.
 *
 * The last two are the reconciliation's while one runs: a message in, a message out. When it wants them and Drops are in them,
 * no further Drop begins there for RESERVED_MS, which is long for a Drop, and whoever wanted to reconcile comes again within it.
 */
import { Assembly } from "../glacier/assembly.ts";
import type { Frame } from "../glacier/frame.ts";

/**
 * Four keep a contact's air busy while one frame in ten is lost, six while three in ten are: a Drop with holes waits for several
 * acknowledgements.
 */
const ASSEMBLIES_MAX = 6;
/** What is left of them while a reconciliation runs, and what one contact may hold while others are open. */
const ASSEMBLIES_SHARED = 4;
const INBOUND = ASSEMBLIES_SHARED;
const OUTBOUND = ASSEMBLIES_SHARED + 1;
/** Ten frames at 1 Mbit/s take 30 ms. */
const STALE_MS = 500;
/** A beacon interval and a half. */
const RESERVED_MS = 1_500;
/** Long for Drops that are really coming; a peer that trickles does not keep others from reconciling. */
const PATIENCE_MS = 500;
const ORPHAN = -1;
const RECONCILER = -2;

export class Assemblies {
  readonly #assemblies: Assembly[] = [];
  readonly #owners = new Int8Array(ASSEMBLIES_MAX).fill(ORPHAN);
  /** Contacts that are open, at least 1: they share. */
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
   * Take `inbound` and `outbound` for a reconciliation. False: Drops are in them; come again soon. Who comes again after
   * PATIENCE_MS gets them whatever is in them.
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

  /** The reconciliation is over. */
  unreserve(): void {
    this.inbound.clear();
    this.#owners[INBOUND] = this.#owners[OUTBOUND] = ORPHAN;
  }

  /**
   * A buffer for the Drop that the frame is of, with what is already here of it; undefined when another contact has it or
   * none is free.
   */
  lend(frame: Frame, fragmentBytes: number, contact: number, now: number): Assembly | undefined {
    const { shortIdLow, shortIdHigh } = frame;
    let best = -1;
    let held = 0;
    let same = -1;
    for (let i = 0; i < ASSEMBLIES_MAX; i++) {
      const assembly = this.#assemblies[i]!;
      const owner = this.#owners[i]!;
      if (owner === contact) held++;
      if (owner !== RECONCILER && assembly.holds(shortIdLow, shortIdHigh, fragmentBytes)) same = i;
      const free = owner === ORPHAN && (i < ASSEMBLIES_SHARED || now >= this.#reservedUntilMs);
      if (free && (best < 0 || older(assembly, this.#assemblies[best]!))) best = i;
    }
    if (held >= this.#heldMax) return undefined;
    if (same >= 0) {
      const assembly = this.#assemblies[same]!;
      if (this.#owners[same] !== ORPHAN && now - assembly.touchedMs < STALE_MS) return undefined;
      this.#owners[same] = contact;
      return assembly;
    }
    if (best < 0) return undefined;
    const assembly = this.#assemblies[best]!;
    assembly.begin(shortIdLow, shortIdHigh, fragmentBytes, now);
    this.#owners[best] = contact;
    return assembly;
  }

  /** Is another contact bringing this Drop, and going on with it? */
  fills(shortIdLow: number, shortIdHigh: number, contact: number, now: number): boolean {
    for (let i = 0; i < ASSEMBLIES_MAX; i++) {
      const owner = this.#owners[i]!;
      if (owner < 0 || owner === contact) continue;
      const assembly = this.#assemblies[i]!;
      if (assembly.isOf(shortIdLow, shortIdHigh) && now - assembly.touchedMs < STALE_MS) return true;
    }
    return false;
  }

  /** Drops that the contact has begun. */
  held(contact: number): number {
    let held = 0;
    for (let i = 0; i < ASSEMBLIES_MAX; i++) if (this.#owners[i] === contact) held++;
    return held;
  }

  isLent(assembly: Assembly, contact: number): boolean {
    return this.#owners[this.#assemblies.indexOf(assembly)] === contact;
  }

  /** The message was taken out, or given up. */
  release(assembly: Assembly): void {
    assembly.clear();
    this.#owners[this.#assemblies.indexOf(assembly)] = ORPHAN;
  }

  /** The contact ended. What it left half received stays until its buffer is needed. */
  orphan(contact: number): void {
    for (let i = 0; i < ASSEMBLIES_MAX; i++) if (this.#owners[i] === contact) this.#owners[i] = ORPHAN;
  }

  /** How many Drops the contact may have under way: those it has begun, and its share of the buffers that are free. */
  credit(contact: number): number {
    let free = 0;
    for (let i = 0; i < ASSEMBLIES_MAX; i++) if (this.#owners[i] === ORPHAN) free++;
    const share = free === 0 ? 0 : Math.max(Math.floor(free / this.contacts), 1);
    return Math.min(this.held(contact) + share, this.#heldMax);
  }

  get #heldMax(): number {
    return this.contacts > 1 ? ASSEMBLIES_SHARED : ASSEMBLIES_MAX;
  }

  /** Make it the reconciliation's. What half-received Drop lies there moves to where an emptier or older one was. */
  #vacate(place: number): void {
    const assembly = this.#assemblies[place]!;
    if (assembly.mask !== 0 && this.#owners[place] !== RECONCILER) {
      for (let i = 0; i < ASSEMBLIES_SHARED; i++) {
        if (this.#owners[i] !== ORPHAN || !older(this.#assemblies[i]!, assembly)) continue;
        this.#assemblies[i]!.adopt(assembly);
        break;
      }
    }
    assembly.clear();
    this.#owners[place] = RECONCILER;
  }
}

/** Empty before half-received, then the least recently touched. */
function older(a: Assembly, b: Assembly): boolean {
  if (b.mask === 0) return false;
  return a.mask === 0 || a.touchedMs < b.touchedMs;
}
