/**
 * A contact is short, so reconciliation must be cheap. `npm run bench -- rbsr` measures its bytes, round trips and air
 * time over seeded trials.
 *
 * The two sides hold random 64-bit ids, and the differences are split between them. The size of the first split follows
 * from what the fingerprints of the two beacons say, never from the truth. Each trial must find the true number of
 * differences.
 *
 * Each promise is one row. The row is named by its case and its figure, or by its case alone if the figure is bytes.
 * Each row carries all figures of its case: the worst of the trials where the name says so, else the median.
 *
 * - `bytes`: all messages in both directions, without frame headers. `bytesWorst` is the largest session.
 * - `roundTrips`: until the initiator knows both directions. A third message tells the responder which items of its
 *   lists are wanted. It travels with the first Drops, so it counts in `messages` but not as half a round trip.
 * - `airMs`: each message is cut into payloads of 210 bytes and sent by unicast at 1 Mbit/s (sim/airtime.ts). The 3
 *   bytes of the link's prefix count with each message, and the 11 bytes of an OPEN with the first. Each message also
 *   costs one acknowledgement of the link.
 *
 * Limits hold for 750 items against 750. The larger sets have no limits: their rows say what a host pays. The last rows
 * compare the larger sets with Negentropy's algorithm on the same ids (negentropy.ts), as ratios of our figure to
 * Negentropy's. `build` is everything from ids in memory to two sealed sets; `reconcile` is all messages. A time alone
 * says nothing about another machine, so these rows give the ratio of the best times of a few runs.
 */
import { performance } from "node:perf_hooks";
import { ACK_PREFIX_BYTES } from "../modules/glacier/ack.ts";
import { FRAME_HEADER_BYTES, FRAME_TRAILER_BYTES, PAYLOAD_BYTES_V1 } from "../modules/glacier/frame.ts";
import { MESSAGE_PREFIX_BYTES } from "../modules/glacier/message.ts";
import { FINGERPRINT_SIZE_BYTES, Fingerprint, fingerprintCount } from "../modules/rbsr/fingerprint.ts";
import { Mix, sessionKey } from "../modules/rbsr/half-siphash.ts";
import { writeWord } from "../modules/rbsr/message.ts";
import { MESSAGE_SIZE_BYTES_MAX, Reconciler, type ReconcilerOptions } from "../modules/rbsr/reconciler.ts";
import { SaltedSet } from "../modules/rbsr/salted-set.ts";
import { OPEN_PREFIX_BYTES } from "../modules/throwie/reconciliation.ts";
import { cycleUs } from "../sim/airtime.ts";
import { negentropyCosts, type ReconciliationCost } from "./negentropy.ts";
import type { Result } from "./result.ts";

/** Ids, each as two 32-bit words, the low word first. */
export type Ids = Uint32Array;

/** A small seeded generator of 32-bit words (sfc32). */
export function seededWords(seed: number): () => number {
  let a = seed | 0;
  let b = 0x9e3779b9;
  let c = 0x243f6a88;
  let counter = 1;
  const next = () => {
    const word = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + word) | 0;
    return word >>> 0;
  };
  for (let round = 0; round < 16; round += 1) next();
  return next;
}

/** Random ids for two sides: `shared` ids on both, `onlyA` and `onlyB` ids on one side only. */
export function randomPair(words: () => number, shared: number, onlyA: number, onlyB: number): [Ids, Ids] {
  const a = new Uint32Array(2 * (shared + onlyA));
  const b = new Uint32Array(2 * (shared + onlyB));
  for (let word = 0; word < a.length; word += 1) a[word] = words();
  b.set(a.subarray(0, 2 * shared));
  for (let word = 2 * shared; word < b.length; word += 1) b[word] = words();
  return [a, b];
}

/** One side of a session. The same object serves one session after another. */
export class Side {
  readonly set: SaltedSet;
  readonly reconciler: Reconciler;
  readonly out: Uint8Array;
  readonly fingerprint = new Fingerprint();

  constructor(options: ReconcilerOptions) {
    this.set = new SaltedSet(options.capacity);
    this.reconciler = new Reconciler(options);
    this.out = new Uint8Array(options.messageSizeBytesMax ?? MESSAGE_SIZE_BYTES_MAX);
  }

  fill(ids: Ids, key: Mix): void {
    this.set.begin(key.low, key.high);
    for (let item = 0; item < ids.length / 2; item += 1) this.set.add(ids[2 * item]!, ids[2 * item + 1]!, item);
    this.set.seal();
  }

  print(ids: Ids, nonceLow: number, nonceHigh: number): void {
    this.fingerprint.begin(nonceLow, nonceHigh);
    for (let item = 0; item < ids.length / 2; item += 1) this.fingerprint.add(ids[2 * item]!, ids[2 * item + 1]!);
  }
}

/** A session key whose two nonces are four random words. */
export function randomKey(words: () => number): Mix {
  const nonces = new Uint8Array(16);
  for (let at = 0; at < nonces.length; at += 4) writeWord(nonces, at, words());
  const key = new Mix();
  sessionKey(nonces, 0, nonces.subarray(8), key);
  return key;
}

/** What a beacon of `b` tells the initiator `a`: the estimated number of differences, and how many items `b` has. */
export function estimateByBeacon(a: Side, b: Side, [idsA, idsB]: [Ids, Ids], words: () => number): [number, number] {
  const nonceLow = words();
  const nonceHigh = words();
  const beacon = new Uint8Array(FINGERPRINT_SIZE_BYTES);
  b.print(idsB, nonceLow, nonceHigh);
  b.fingerprint.write(beacon, 0);
  a.print(idsA, nonceLow, nonceHigh);
  return [a.fingerprint.estimate(beacon, 0), fingerprintCount(beacon, 0)];
}

/**
 * Carries messages from side to side until one side has no answer, and returns the length of each message. `a` has
 * initiated with a message of `length` bytes.
 */
export function exchange(a: Side, b: Side, length: number, onMessage?: (message: Uint8Array) => void): number[] {
  const sizes: number[] = [];
  let from = a;
  let to = b;
  let next = length;
  while (next > 0) {
    sizes.push(next);
    onMessage?.(from.out.subarray(0, next));
    next = to.reconciler.receive(from.out, 0, next, to.out);
    [from, to] = [to, from];
  }
  return sizes;
}

const ACK_FRAME_BYTES = FRAME_HEADER_BYTES + ACK_PREFIX_BYTES + FRAME_TRAILER_BYTES;

export function airMsOf(sizes: number[]): number {
  let microseconds = 0;
  let prefix = MESSAGE_PREFIX_BYTES + OPEN_PREFIX_BYTES;
  for (const size of sizes) {
    for (let rest = size + prefix; rest > 0; rest -= PAYLOAD_BYTES_V1) {
      microseconds += cycleUs(FRAME_HEADER_BYTES + Math.min(rest, PAYLOAD_BYTES_V1) + FRAME_TRAILER_BYTES, 1, true);
    }
    microseconds += cycleUs(ACK_FRAME_BYTES, 1, false);
    prefix = MESSAGE_PREFIX_BYTES;
  }
  return microseconds / 1000;
}

interface Figures {
  bytes: number;
  bytesWorst: number;
  roundTrips: number;
  roundTripsWorst: number;
  messages: number;
  airMs: number;
}

const UNITS: Record<keyof Figures, string> = {
  bytes: "bytes",
  bytesWorst: "bytes",
  roundTrips: "round trips",
  roundTripsWorst: "round trips",
  messages: "messages",
  airMs: "ms on air",
};

interface Case {
  name: string;
  shared: number;
  onlyA: number;
  onlyB: number;
  trials: number;
  /** What the project promises for this case. */
  limits?: Partial<Figures>;
  options: ReconcilerOptions;
}

const BOARD: ReconcilerOptions = { capacity: 750 };

function host(items: number): ReconcilerOptions {
  return { capacity: items + 100, openRangesMax: 4096, messageSizeBytesMax: 1 << 18 };
}

function board(name: string, [shared, onlyA, onlyB]: [number, number, number], limits: Partial<Figures>): Case {
  return { name, shared, onlyA, onlyB, trials: 200, limits, options: BOARD };
}

const CASES: Case[] = [
  board("d0", [750, 0, 0], { bytes: 0 }),
  board("d1", [749, 1, 0], { bytes: 130, roundTrips: 1 }),
  board("d10", [745, 5, 5], { bytes: 500, roundTrips: 1 }),
  board("d50", [725, 25, 25], { bytes: 1400, roundTrips: 1, roundTripsWorst: 2, airMs: 70 }),
  board("d200", [650, 100, 100], { bytes: 3300, roundTripsWorst: 2 }),
  board("disjoint", [0, 750, 750], { bytes: 3500, roundTripsWorst: 2 }),
  { name: "d50of10000", shared: 9975, onlyA: 25, onlyB: 25, trials: 10, options: host(10_000) },
  { name: "d50of1000000", shared: 999_975, onlyA: 25, onlyB: 25, trials: 1, options: host(1_000_000) },
];

export async function rbsr(): Promise<{ bench: "rbsr"; results: Result[] }> {
  return { bench: "rbsr", results: [...sessions(), ...HOST_ITEMS.flatMap(comparedWithNegentropy)] };
}

/** The rows of our own sessions, with the promises. */
export function sessions(): Result[] {
  return CASES.flatMap(promises);
}

function promises(given: Case): Result[] {
  const figures = measure(given);
  const { name, limits } = given;
  if (limits === undefined) return [{ name, value: figures.bytes, unit: UNITS.bytes, ...figures }];
  return (Object.keys(limits) as (keyof Figures)[]).map((figure) => ({
    name: figure === "bytes" ? name : `${name}.${figure}`,
    value: figures[figure],
    unit: UNITS[figure],
    limit: limits[figure]!,
    ...figures,
  }));
}

function measure(given: Case): Figures {
  const words = seededWords(0x7457);
  const a = new Side(given.options);
  const b = new Side(given.options);
  const bytes: number[] = [];
  const messages: number[] = [];
  const airMs: number[] = [];
  for (let trial = 0; trial < given.trials; trial += 1) {
    // The side that holds a lone difference alternates.
    const swapped = (trial & 1) === 1;
    const [idsA, idsB] = randomPair(
      words,
      given.shared,
      swapped ? given.onlyB : given.onlyA,
      swapped ? given.onlyA : given.onlyB,
    );
    const [estimate, peerCount] = estimateByBeacon(a, b, [idsA, idsB], words);
    const key = randomKey(words);
    let sizes: number[] = [];
    if (estimate > 0) {
      a.fill(idsA, key);
      b.fill(idsB, key);
      b.reconciler.respondTo(b.set);
      sizes = exchange(a, b, a.reconciler.initiate(a.set, estimate, a.out, peerCount));
    }
    const different = given.onlyA + given.onlyB;
    if (a.reconciler.haveCount + b.reconciler.haveCount !== different) {
      throw new Error(`rbsr: case ${given.name}, trial ${trial}: the session found a wrong number of differences`);
    }
    bytes.push(sizes.reduce((sum, size) => sum + size, 0));
    messages.push(sizes.length);
    airMs.push(airMsOf(sizes));
  }
  return {
    bytes: median(bytes),
    bytesWorst: Math.max(...bytes),
    roundTrips: median(messages.map((count) => count >> 1)),
    roundTripsWorst: Math.max(...messages) >> 1,
    messages: median(messages),
    airMs: median(airMs),
  };
}

const HOST_ITEMS: [items: number, runs: number][] = [
  [10_000, 20],
  [1_000_000, 3],
];

function comparedWithNegentropy([items, runs]: [items: number, runs: number]): Result[] {
  const words = seededWords(0x7457);
  const [idsA, idsB] = randomPair(words, items - 25, 25, 25);
  const ours = ourCosts(idsA, idsB, runs, words);
  const theirs = negentropyCosts(new Uint8Array(idsA.buffer), new Uint8Array(idsB.buffer), runs);
  for (const { different } of [...ours, ...theirs]) {
    if (different !== 50)
      throw new Error(`rbsr: compared with Negentropy: a session found ${different} differences instead of 50`);
  }
  const ratio = (figure: "bytes" | "buildMs" | "reconcileMs", name: string): Result => {
    const our = Math.min(...ours.map((cost) => cost[figure]));
    const their = Math.min(...theirs.map((cost) => cost[figure]));
    const value = Math.round((1000 * our) / their) / 1000;
    return { name: `${name}Of${items}`, value, unit: "of Negentropy's", ours: our, negentropy: their };
  };
  const { bytes, roundTrips } = theirs[0]!;
  return [
    { name: `negentropyBytesOf${items}`, value: bytes, unit: UNITS.bytes, roundTrips },
    ratio("bytes", "bytesRatio"),
    ratio("buildMs", "buildRatio"),
    ratio("reconcileMs", "reconcileRatio"),
  ];
}

function ourCosts(idsA: Ids, idsB: Ids, runs: number, words: () => number): ReconciliationCost[] {
  const options = host(idsA.length / 2);
  const [a, b] = [new Side(options), new Side(options)];
  const [estimate, peerCount] = estimateByBeacon(a, b, [idsA, idsB], words);
  return Array.from({ length: runs }, () => {
    const key = randomKey(words);
    const started = performance.now();
    a.fill(idsA, key);
    b.fill(idsB, key);
    const built = performance.now();
    b.reconciler.respondTo(b.set);
    const sizes = exchange(a, b, a.reconciler.initiate(a.set, estimate, a.out, peerCount));
    const reconcileMs = performance.now() - built;
    return {
      bytes: sizes.reduce((sum, size) => sum + size, 0),
      roundTrips: sizes.length >> 1,
      buildMs: built - started,
      reconcileMs,
      different: a.reconciler.haveCount + b.reconciler.haveCount,
    };
  });
}

function median(values: number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[sorted.length >> 1]!;
}
