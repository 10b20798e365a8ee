/**
 * The node's message buffers: ASSEMBLIES_MAX of them for all contacts, each as large as a Drop (docs/protocol.md, "Memory").
 *
 * A buffer is lent to one contact at a time, for a Drop on its way in. When that contact ends, a half-received Drop stays as an orphan and the
 * next contact that brings the same Drop resumes it; under need the orphan that was touched longest ago is given up.
 * So reassembly is bounded in bytes whatever peers do. Another contact's buffer is taken over only with the same Drop in
 * it, when nothing was added to it for STALE_MS: a peer that begins a Drop and does not go on keeps nobody from it.
 *
 * The last two are the reconciliation's while one runs: a message in, a message out. When it wants them and Drops are in them,
 * no further Drop begins there for RESERVED_MS, which is long for a Drop, and whoever wanted to reconcile comes again within it.
 */
import { Assembly } from "../glacier/assembly.ts";

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
const ORPHAN = -1;
const RECONCILER = -2;

export class Assemblies {
  readonly #assemblies: Assembly[] = [];
  readonly #owners = new Int8Array(ASSEMBLIES_MAX).fill(ORPHAN);
  /** More than one contact is open. */
  shared = false;
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

  /** Take `inbound` and `outbound` for a reconciliation. False: Drops are in them; come again soon. */
  reserve(now: number): boolean {
    if (this.#owners[INBOUND]! >= 0 || this.#owners[OUTBOUND]! >= 0) {
      this.#reservedUntilMs = now + RESERVED_MS;
      return false;
    }
    this.#reservedUntilMs = now;
    this.inbound.clear();
    this.#assemblies[OUTBOUND]!.clear();
    this.#owners[INBOUND] = this.#owners[OUTBOUND] = RECONCILER;
    return true;
  }

  /** The reconciliation is over. */
  unreserve(): void {
    this.inbound.clear();
    this.#owners[INBOUND] = this.#owners[OUTBOUND] = ORPHAN;
  }

  /** A buffer for the Drop, with what is already here of it; undefined when another contact has it or none is free. */
  lend(
    shortIdLow: number,
    shortIdHigh: number,
    fragmentBytes: number,
    contact: number,
    now: number,
  ): Assembly | undefined {
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

  /** How many Drops the contact may have under way, those it has begun included. */
  credit(contact: number): number {
    let credit = 0;
    for (let i = 0; i < ASSEMBLIES_MAX; i++) {
      const owner = this.#owners[i]!;
      if (owner === contact || owner === ORPHAN) credit++;
    }
    return Math.min(credit, this.#heldMax);
  }

  get #heldMax(): number {
    return this.shared ? ASSEMBLIES_SHARED : ASSEMBLIES_MAX;
  }
}

/** Empty before half-received, then the least recently touched. */
function older(a: Assembly, b: Assembly): boolean {
  if (b.mask === 0) return false;
  return a.mask === 0 || a.touchedMs < b.touchedMs;
}
