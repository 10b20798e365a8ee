/**
 * The node's buffers for Drops on their way in: ASSEMBLIES_MAX of them, shared by all contacts.
 *
 * A buffer is lent to one contact at a time. When that contact ends, a half-received Drop stays as an orphan and the
 * next contact that brings the same Drop resumes it; under need the orphan that was touched longest ago is given up.
 * So reassembly is bounded in bytes whatever peers do. Another contact's buffer is taken over only with the same Drop in
 * it, when nothing was added to it for STALE_MS: a peer that begins a Drop and does not go on keeps nobody from it.
 */

import { DROP_SIZE_BYTES_MAX } from "../drop/drop.ts";
import { Assembly } from "../glacier/assembly.ts";

/** 6 x 2,051 bytes: a full sender's window for one contact (4), and one Drop each for two more. */
const ASSEMBLIES_MAX = 6;
/** What one contact may hold, so that a second is never shut out. */
const ASSEMBLIES_PER_CONTACT_MAX = 4;
/** Ten frames at 1 Mbit/s take 30 ms. */
const STALE_MS = 500;
const ORPHAN = -1;

export class Assemblies {
  readonly #assemblies: Assembly[] = [];
  readonly #owners = new Int8Array(ASSEMBLIES_MAX).fill(ORPHAN);

  constructor() {
    for (let i = 0; i < ASSEMBLIES_MAX; i++) this.#assemblies.push(new Assembly(DROP_SIZE_BYTES_MAX));
  }

  /** A buffer for the Drop, with what is already here of it; undefined when another contact has it or none is free. */
  lend(shortIdLow: number, shortIdHigh: number, contact: number, now: number): Assembly | undefined {
    let best = -1;
    let held = 0;
    let same = -1;
    for (let i = 0; i < ASSEMBLIES_MAX; i++) {
      const assembly = this.#assemblies[i]!;
      const owner = this.#owners[i]!;
      if (owner === contact) held++;
      if (assembly.holds(shortIdLow, shortIdHigh)) same = i;
      if (owner === ORPHAN && (best < 0 || older(assembly, this.#assemblies[best]!))) best = i;
    }
    if (held >= ASSEMBLIES_PER_CONTACT_MAX) return undefined;
    if (same >= 0) {
      const assembly = this.#assemblies[same]!;
      if (this.#owners[same] !== ORPHAN && now - assembly.touchedMs < STALE_MS) return undefined;
      this.#owners[same] = contact;
      return assembly;
    }
    if (best < 0) return undefined;
    const assembly = this.#assemblies[best]!;
    assembly.begin(shortIdLow, shortIdHigh, now);
    this.#owners[best] = contact;
    return assembly;
  }

  isLent(assembly: Assembly, contact: number): boolean {
    return this.#owners[this.#assemblies.indexOf(assembly)] === contact;
  }

  /** The Drop was taken out, or given up. */
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
    return Math.min(credit, ASSEMBLIES_PER_CONTACT_MAX);
  }
}

/** Empty before half-received, then the least recently touched. */
function older(a: Assembly, b: Assembly): boolean {
  if ((a.mask === 0) !== (b.mask === 0)) return a.mask === 0;
  return a.touchedMs < b.touchedMs;
}
