/**
 * Reconciliation must find exactly which Drops each of two nodes lacks, whatever the two hold. These tests compare
 * modules/rbsr with its vectors, and with the truth over random sets. They also check tags that collide, fingerprints,
 * and the bounds of messages and memory. Canaries show that each safety net is needed.
 *
 * Peers that lie are in rbsr-lies.test.ts, ids that were made to collide in rbsr-adversary.test.ts.
 *
 * Replay the random parts with SEED=n.
 */
import { readFileSync } from "node:fs";
import test from "ava";
import {
  estimateByBeacon,
  exchange,
  type Ids,
  randomKey,
  randomPair,
  Side,
  seededWords,
  sessions,
} from "../bench/rbsr.ts";
import { missed } from "../bench/result.ts";
import { Decoder, LACKING } from "../modules/rbsr/decode.ts";
import { FINGERPRINT_SIZE_BYTES, Fingerprint } from "../modules/rbsr/fingerprint.ts";
import { halfSipHash, Mix, sessionKey } from "../modules/rbsr/half-siphash.ts";
import { RangeWriter } from "../modules/rbsr/range-writer.ts";
import { MESSAGE_SIZE_BYTES_MAX, Reconciler } from "../modules/rbsr/reconciler.ts";
import { SaltedSet } from "../modules/rbsr/salted-set.ts";
import { splitFor } from "../modules/rbsr/split.ts";
import { confirm } from "../modules/rbsr/summary.ts";
import { BOARD_ITEMS, below, differenceFault, fillUnsalted, idsOf, keyOf } from "./rbsr-sides.ts";
import hashVectors from "./vectors/half-siphash.json" with { type: "json" };
import vectors from "./vectors/rbsr.json" with { type: "json" };

const SEED = Number(process.env.SEED ?? 1);
const MEMORY_BYTES_MAX = 9216;

interface Transcript {
  name: string;
  key: string;
  mixed?: boolean;
  shared: string[];
  onlyA: string[];
  onlyB: string[];
  estimate: number;
  messages: string[];
  haveA: number[];
  haveB: number[];
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function haves(side: Side, count: number): number[] {
  return [...Array(count).keys()].filter((item) => side.reconciler.has(item));
}

test("HalfSipHash agrees with the authors' vectors", (t) => {
  for (const vector of hashVectors.valid) {
    const [keyLow, keyHigh, low, high] = [...idsOf([vector.key, vector.message])] as [number, number, number, number];
    const mix = Object.assign(new Mix(), { keyLow, keyHigh });
    halfSipHash(mix, low, high, { compression: vector.compressionRounds, finalization: vector.finalizationRounds });
    t.is(hexOf(new Uint8Array(Int32Array.of(mix.low, mix.high).buffer)), vector.hash);
  }
});

test("each recorded session gives the same messages, byte for byte, and the same two results", (t) => {
  for (const vector of vectors.valid as Transcript[]) {
    const a = new Side({ capacity: BOARD_ITEMS });
    const b = new Side({ capacity: BOARD_ITEMS });
    const [idsA, idsB] = [idsOf([...vector.shared, ...vector.onlyA]), idsOf([...vector.shared, ...vector.onlyB])];
    if (vector.mixed) {
      fillUnsalted(a, idsA);
      fillUnsalted(b, idsB);
    } else {
      a.fill(idsA, keyOf(vector.key));
      b.fill(idsB, keyOf(vector.key));
    }
    const messages: string[] = [];
    b.reconciler.respondTo(b.set);
    const first = a.reconciler.initiate(a.set, vector.estimate, a.out, idsB.length / 2);
    exchange(a, b, first, (message) => messages.push(hexOf(message)));
    t.deepEqual(messages, vector.messages, vector.name);
    t.deepEqual(haves(a, idsA.length / 2), vector.haveA, vector.name);
    t.deepEqual(haves(b, idsB.length / 2), vector.haveB, vector.name);
    t.is(a.reconciler.state, "done");
    t.is(b.reconciler.state, "done");
  }
});

test("a malformed message is refused for its reason", (t) => {
  const reasons = new Set<string>();
  for (const vector of vectors.invalid) {
    const side = new Side({ capacity: BOARD_ITEMS });
    const ids = idsOf(vector.ids);
    side.fill(ids, keyOf(vector.key));
    if (vector.initiates) side.reconciler.initiate(side.set, vector.estimate, side.out);
    else side.reconciler.respondTo(side.set);
    const message = Buffer.from(vector.message, "hex");
    t.is(side.reconciler.receive(message, 0, message.length, side.out), 0, vector.name);
    t.is(side.reconciler.state, "refused", vector.name);
    t.is(side.reconciler.refusal, vector.reason as never, vector.name);
    reasons.add(vector.reason);
  }
  t.deepEqual(
    [...reasons].sort(),
    ["long", "op", "order", "padding", "ranges", "short", "split", "trailing", "varint", "want"],
    "the vectors have all reasons but rounds and ambiguous, which have tests of their own",
  );
});

test("fingerprints and session keys agree with the vectors", (t) => {
  for (const vector of vectors.fingerprints) {
    const fingerprint = new Fingerprint();
    const [nonceLow, nonceHigh] = [...idsOf([vector.nonce])] as [number, number];
    fingerprint.begin(nonceLow, nonceHigh);
    const ids = idsOf(vector.ids);
    for (let word = 0; word < ids.length; word += 2) fingerprint.add(ids[word]!, ids[word + 1]!);
    const bytes = new Uint8Array(FINGERPRINT_SIZE_BYTES);
    fingerprint.write(bytes, 0);
    t.is(hexOf(bytes), vector.fingerprint);
  }
  for (const vector of vectors.sessionKeys) {
    const [initiatorNonce, responderNonce] = [vector.initiatorNonce, vector.responderNonce].map((hex) =>
      Buffer.from(hex, "hex"),
    );
    const key = new Mix();
    sessionKey(initiatorNonce!, 0, responderNonce!, key);
    t.is(hexOf(new Uint8Array(Int32Array.of(key.low, key.high).buffer)), vector.key);
  }
});

/** Random sizes, with many at the edges. */
function randomSizes(words: () => number): [number, number, number] {
  const size = () => [0, 1, 2, below(words, 12), below(words, 60), below(words, BOARD_ITEMS + 1)][below(words, 6)]!;
  const shared = [0, size(), below(words, BOARD_ITEMS + 1), BOARD_ITEMS][below(words, 4)]!;
  const room = BOARD_ITEMS - shared;
  return [shared, Math.min(size(), room), Math.min(size(), room)];
}

function randomSession(a: Side, b: Side, words: () => number): [Ids, Ids, number[]] {
  const [shared, onlyA, onlyB] = randomSizes(words);
  const [idsA, idsB] = randomPair(words, shared, onlyA, onlyB);
  const key = randomKey(words);
  a.fill(idsA, key);
  b.fill(idsB, key);
  let [estimate, peerCount] = [below(words, 2000), below(words, 1000)];
  if (words() & 1) [estimate, peerCount] = estimateByBeacon(a, b, [idsA, idsB], words);
  b.reconciler.respondTo(b.set);
  return [idsA, idsB, exchange(a, b, a.reconciler.initiate(a.set, estimate, a.out, peerCount))];
}

test("over random sets both results are the exact differences, and the bounds hold", (t) => {
  const words = seededWords(SEED);
  const a = new Side({ capacity: BOARD_ITEMS });
  const b = new Side({ capacity: BOARD_ITEMS });
  let longest = 0;
  for (let trial = 0; trial < 4000; trial += 1) {
    const [idsA, idsB, sizes] = randomSession(a, b, words);
    const fault = differenceFault(a, b, idsA, idsB);
    if (fault !== undefined) return t.fail(`SEED=${SEED}, trial ${trial}: ${fault}`);
    if (Math.max(...sizes) > MESSAGE_SIZE_BYTES_MAX)
      return t.fail(`SEED=${SEED}, trial ${trial}: a message is too long`);
    longest = Math.max(longest, sizes.length);
  }
  t.true(longest <= 8, `SEED=${SEED}: ${longest} messages`);
});

test.serial("canary: a decoder that does not check the sum is caught", (t) => {
  const decode = Decoder.prototype.decode;
  Decoder.prototype.decode = function (set, range, own, theirs) {
    const outcome = decode.call(this, set, range, own, theirs);
    if (theirs.count - own.count !== 1) return outcome;
    this.wanted = theirs.xor ^ own.xor;
    return LACKING;
  };
  t.teardown(() => {
    Decoder.prototype.decode = decode;
  });
  const words = seededWords(SEED);
  const a = new Side({ capacity: BOARD_ITEMS });
  const b = new Side({ capacity: BOARD_ITEMS });
  let faults = 0;
  for (let trial = 0; trial < 50; trial += 1) {
    const [idsA, idsB] = randomPair(words, 400, 60, 60);
    a.fill(idsA, keyOf("0102030405060708"));
    b.fill(idsB, keyOf("0102030405060708"));
    b.reconciler.respondTo(b.set);
    exchange(a, b, a.reconciler.initiate(a.set, 120, a.out));
    if (differenceFault(a, b, idsA, idsB) !== undefined) faults += 1;
  }
  t.true(faults > 40, `${faults} faults`);
});

test("items of one side that share a tag are told apart", (t) => {
  const words = seededWords(SEED);
  const a = new Side({ capacity: BOARD_ITEMS });
  const b = new Side({ capacity: BOARD_ITEMS });
  let doubts = 0;
  for (let trial = 0; trial < 5000; trial += 1) {
    // Tags come from a small pool. Items on side A only have even tags and items on side B only have odd tags, so the
    // two never share a tag.
    const pool = 1 + below(words, 40);
    const tags = Array.from({ length: pool }, words);
    const item = (kind: number): [number, number] => {
      for (;;) {
        const tag = below(words, pool);
        if (kind === 0 || tag % 2 === kind - 1 || pool === 1) return [words(), tags[tag]!];
      }
    };
    const kinds =
      pool === 1 ? [below(words, 30), below(words, 9), 0] : Array.from({ length: 3 }, () => below(words, 20));
    const shared = Array.from({ length: kinds[0]! }, () => item(0)).flat();
    const idsA = Uint32Array.from([...shared, ...Array.from({ length: kinds[1]! }, () => item(1)).flat()]);
    const idsB = Uint32Array.from([...shared, ...Array.from({ length: kinds[2]! }, () => item(2)).flat()]);
    fillUnsalted(a, idsA);
    fillUnsalted(b, idsB);
    b.reconciler.respondTo(b.set);
    const sizes = exchange(a, b, a.reconciler.initiate(a.set, below(words, 30), a.out));
    const fault = differenceFault(a, b, idsA, idsB);
    if (fault !== undefined) return t.fail(`SEED=${SEED}, trial ${trial}: ${fault}`);
    if (sizes.length > 3) doubts += 1;
  }
  t.true(doubts > 100, `only ${doubts} sessions needed a list of mixes`);
});

test("doubts that do not fit into a message are refused as ambiguous", (t) => {
  const a = new Side({ capacity: BOARD_ITEMS });
  const b = new Side({ capacity: BOARD_ITEMS });
  // As many items as one message can list, all with one tag. Each of them needs a whole mix.
  const items = 500;
  const ids = new Uint32Array(2 * items);
  for (let item = 0; item < items; item += 1) ids.set([item * 5_000_000, 7], 2 * item);
  fillUnsalted(a, ids);
  fillUnsalted(b, ids);
  b.reconciler.respondTo(b.set);
  exchange(a, b, a.reconciler.initiate(a.set, 1500, a.out));
  t.is(b.reconciler.refusal, "ambiguous");
});

test("two different items with one tag in one range pass for a common item until the next key", (t) => {
  const a = new Side({ capacity: 4 });
  const b = new Side({ capacity: 4 });
  const [idsA, idsB] = [Uint32Array.of(1, 77), Uint32Array.of(2, 77)];
  fillUnsalted(a, idsA);
  fillUnsalted(b, idsB);
  b.reconciler.respondTo(b.set);
  exchange(a, b, a.reconciler.initiate(a.set, 2, a.out));
  t.is(a.reconciler.haveCount + b.reconciler.haveCount, 0);
  const nonces = [1, 2, 3, 4];
  const key = randomKey(() => nonces.shift()!);
  a.fill(idsA, key);
  b.fill(idsB, key);
  b.reconciler.respondTo(b.set);
  exchange(a, b, a.reconciler.initiate(a.set, 2, a.out));
  t.is(differenceFault(a, b, idsA, idsB), undefined);
});

test("two full boards need few messages, and each message fits, however wrong the estimate is", (t) => {
  const words = seededWords(SEED);
  const a = new Side({ capacity: BOARD_ITEMS });
  const b = new Side({ capacity: BOARD_ITEMS });
  let messages = 0;
  for (const [shared, different] of [
    [0, 750],
    [750, 0],
    [375, 375],
    [600, 150],
  ] as [number, number][]) {
    for (let estimate = 0; estimate < 1500; estimate += 25) {
      const [idsA, idsB] = randomPair(words, shared, different, different);
      const key = randomKey(words);
      a.fill(idsA, key);
      b.fill(idsB, key);
      b.reconciler.respondTo(b.set);
      const sizes = exchange(a, b, a.reconciler.initiate(a.set, estimate, a.out));
      t.is(differenceFault(a, b, idsA, idsB), undefined);
      t.true(Math.max(...sizes) <= MESSAGE_SIZE_BYTES_MAX);
      messages = Math.max(messages, sizes.length);
    }
  }
  t.log(`at most ${messages} messages`);
  t.true(messages <= 6, `SEED=${SEED}: ${messages} messages`);
});

/**
 * Runs a session over sets that are far larger than a message can list. Returns the number of messages, or a text that
 * says why the session failed.
 */
function exchangeMany(words: () => number, items: number, shared: number, estimate: number): number | string {
  const a = new Side({ capacity: items });
  const b = new Side({ capacity: items });
  const [idsA, idsB] = randomPair(words, shared, items - shared, (items - shared) >> below(words, 4));
  const key = randomKey(words);
  a.fill(idsA, key);
  b.fill(idsB, key);
  b.reconciler.respondTo(b.set);
  const sizes = exchange(a, b, a.reconciler.initiate(a.set, estimate, a.out, idsB.length / 2));
  const { refusal = b.reconciler.refusal } = a.reconciler;
  return refusal ?? differenceFault(a, b, idsA, idsB) ?? sizes.length;
}

test("a session of many messages makes progress with each message", (t) => {
  const words = seededWords(SEED);
  let most = 0;
  for (let trial = 0; trial < 200; trial += 1) {
    const items = 500 + below(words, 3000);
    const messages = exchangeMany(words, items, below(words, items), below(words, 2 * items));
    if (typeof messages === "string") return t.fail(`SEED=${SEED}, trial ${trial}: ${items} items: ${messages}`);
    most = Math.max(most, messages);
  }
  t.log(`at most ${most} messages`);
  t.true(most <= 20, `SEED=${SEED}: ${most} messages`);
});

test.serial("canary: a session that leaves a range whole whenever its list does not fit has no end", (t) => {
  const divide = RangeWriter.prototype.divide;
  RangeWriter.prototype.divide = function (set, parts, asked) {
    divide.call(this, set, asked ? 1 : parts, asked);
  };
  t.teardown(() => {
    RangeWriter.prototype.divide = divide;
  });
  // Where one side has few Drops, its lists fit.
  const words = seededWords(SEED);
  const outcomes = Array.from({ length: 10 }, () => exchangeMany(words, 3000, 0, 6000));
  t.true(outcomes.includes("rounds"), outcomes.join());
});

test("hosts reconcile larger sets, in large messages and in messages of a board's size", (t) => {
  const words = seededWords(SEED);
  for (const [items, different, options] of [
    [100_000, 30, { openRangesMax: 1024, messageSizeBytesMax: 1 << 16 }],
    [20_000, 3000, { openRangesMax: 4096, messageSizeBytesMax: 1 << 18 }],
    [5000, 40, {}],
    [3000, 700, {}],
  ] as [number, number, object][]) {
    const a = new Side({ capacity: items, ...options });
    const b = new Side({ capacity: items, ...options });
    const [idsA, idsB] = randomPair(words, items - different, different, different >> 1);
    const [estimate, peerCount] = estimateByBeacon(a, b, [idsA, idsB], words);
    const key = randomKey(words);
    a.fill(idsA, key);
    b.fill(idsB, key);
    b.reconciler.respondTo(b.set);
    const sizes = exchange(a, b, a.reconciler.initiate(a.set, estimate, a.out, peerCount));
    t.is(differenceFault(a, b, idsA, idsB), undefined, `SEED=${SEED}: ${items} items, ${sizes}`);
    t.true(Math.max(...sizes) <= a.out.length);
  }
});

test("a gateway with ten thousand Drops and a board reconcile in few messages", (t) => {
  const words = seededWords(SEED);
  const board = new Side({ capacity: BOARD_ITEMS });
  const gateway = new Side({ capacity: 10_000 });
  for (const [a, b] of [
    [board, gateway],
    [gateway, board],
  ] as [Side, Side][]) {
    const extra = a === board ? [50, 9300] : [9300, 50];
    const [idsA, idsB] = randomPair(words, 700, extra[0]!, extra[1]!);
    const [estimate, peerCount] = estimateByBeacon(a, b, [idsA, idsB], words);
    const key = randomKey(words);
    a.fill(idsA, key);
    b.fill(idsB, key);
    b.reconciler.respondTo(b.set);
    const sizes = exchange(a, b, a.reconciler.initiate(a.set, estimate, a.out, peerCount));
    t.is(differenceFault(a, b, idsA, idsB), undefined, `SEED=${SEED}: ${sizes}`);
    t.true(sizes.length <= 6, `${sizes}`);
  }
});

test("sums of plain tags would confirm wrong results; sums of confirmed tags do not", (t) => {
  const words = seededWords(SEED);
  const triples = 4_000_000;
  let plain = 0;
  let confirmed = 0;
  let confirmedLow = 0;
  for (let trial = 0; trial < triples; trial += 1) {
    const [a, b, c] = [words() | 0, words() | 0, words() | 0];
    const xor = a ^ b ^ c;
    if (((a + b - c) | 0) === xor) plain += 1;
    const difference = (confirm(a) + confirm(b) - confirm(c) - confirm(xor)) | 0;
    if (difference === 0) confirmed += 1;
    if ((difference & 0xfff) === 0) confirmedLow += 1;
  }
  t.log(`of ${triples} triples: plain sums agree with XOR in ${plain}, confirmed sums in ${confirmed}`);
  t.true(plain > triples / 20_000, `plain ${plain}`);
  t.is(confirmed, 0, `SEED=${SEED}`);
  // The low twelve bits of confirmed sums agree as often as by chance: 977 times, with a standard deviation of 31.
  t.true(Math.abs(confirmedLow - triples / 4096) < 190, `SEED=${SEED}: ${confirmedLow}`);
});

test("a fingerprint tells equal sets from different ones, and estimates how many items differ", (t) => {
  const words = seededWords(SEED);
  const a = new Side({ capacity: BOARD_ITEMS });
  const b = new Side({ capacity: BOARD_ITEMS });
  const summary: string[] = [];
  for (const [differences, lowest, highest] of [
    [0, 0, 0],
    [1, 1, 1],
    [2, 0.9, 2.1],
    [10, 0.6, 1.5],
    [50, 0.6, 1.5],
    [200, 0.6, 1.5],
    [600, 0.6, 1.5],
  ] as [number, number, number][]) {
    const ratios: number[] = [];
    for (let trial = 0; trial < 200; trial += 1) {
      const [idsA, idsB] = randomPair(words, BOARD_ITEMS - differences, (differences + 1) >> 1, differences >> 1);
      const [estimate, count] = estimateByBeacon(a, b, [idsA, idsB], words);
      t.is(count, idsB.length / 2);
      if (differences === 0) t.is(estimate, 0);
      else ratios.push(estimate / differences);
    }
    if (differences === 0) continue;
    ratios.sort((left, right) => left - right);
    const [tenth, middle, ninth] = [ratios[20]!, ratios[100]!, ratios[180]!];
    summary.push(`${differences}: ${tenth.toFixed(2)} ${middle.toFixed(2)} ${ninth.toFixed(2)}`);
    t.true(middle > 0.88 && middle < 1.12, `SEED=${SEED}, ${differences} differences: median ratio ${middle}`);
    t.true(tenth >= lowest && ninth <= highest, `SEED=${SEED}, ${differences} differences: ${tenth} .. ${ninth}`);
  }
  t.log(`estimate over truth, at the tenth, middle and ninth decile: ${summary.join("; ")}`);
  const [idsA, idsB] = randomPair(words, 0, 750, 750);
  t.true(estimateByBeacon(a, b, [idsA, idsB], words)[0] > 800, "sets that have nothing in common");
});

test("items that are added and removed again leave no trace in a fingerprint", (t) => {
  const words = seededWords(SEED);
  const [before, after] = [new Uint8Array(FINGERPRINT_SIZE_BYTES), new Uint8Array(FINGERPRINT_SIZE_BYTES)];
  const fingerprint = new Fingerprint();
  fingerprint.begin(words(), words());
  for (let item = 0; item < 300; item += 1) fingerprint.add(words(), words());
  fingerprint.write(before, 0);
  const gone = Array.from({ length: 40 }, () => [words(), words()] as [number, number]);
  for (const [low, high] of gone) fingerprint.add(low, high);
  t.false(fingerprint.equals(before, 0));
  for (const [low, high] of gone) fingerprint.remove(low, high);
  fingerprint.write(after, 0);
  t.deepEqual(after, before);
  t.true(fingerprint.equals(before, 0));
});

test("a sealed set is sorted, has no repeats, and finds positions", (t) => {
  const words = seededWords(SEED);
  for (const capacity of [1, 2, 9, 750, 70_000]) {
    const set = new SaltedSet(capacity);
    set.begin(words(), words());
    const distinct = Math.max(1, capacity - 5);
    const ids = Array.from({ length: distinct }, () => [words(), words()] as [number, number]);
    for (let item = 0; item < capacity; item += 1) set.add(...ids[item % distinct]!, item);
    set.seal();
    t.is(set.count, distinct);
    let inOrder = true;
    for (let index = 1; index < set.count; index += 1) {
      if (set.positions[index - 1]! > set.positions[index]!) inOrder = false;
    }
    t.true(inOrder);
    t.is(new Set(Array.from(set.items.subarray(0, set.count), (item) => item % distinct)).size, distinct);
    for (const position of [0, 1, 2 ** 31, 2 ** 32 - 1, ...Array.from({ length: 50 }, words)]) {
      const expected = set.positions.subarray(0, set.count).findIndex((held) => held >= position);
      t.is(set.indexOf(position), expected === -1 ? set.count : expected);
    }
  }
});

test("bugs of the caller throw: too many items, item numbers out of range, buffers that are too small", (t) => {
  const set = new SaltedSet(1);
  set.begin(1, 2);
  t.throws(() => set.add(1, 2, 1), { message: /capacity/ });
  set.add(1, 2, 0);
  t.throws(() => set.add(3, 4, 0), { message: /capacity/ });
  set.seal();
  const reconciler = new Reconciler({ capacity: 1 });
  t.throws(() => reconciler.initiate(set, 1, new Uint8Array(10)), { message: /buffer is smaller/ });
  t.throws(() => reconciler.respondTo(new SaltedSet(2)), { message: /capacity/ });
  t.throws(() => new Reconciler({ capacity: 1, openRangesMax: 400 }), { message: /too small/ });
  t.throws(() => new Reconciler({ capacity: 1, openRangesMax: 8 }), { message: /too few/ });
  t.is(reconciler.state, "idle");
  t.is(
    reconciler.receive(new Uint8Array(9), 0, 9, new Uint8Array(MESSAGE_SIZE_BYTES_MAX)),
    0,
    "an idle reconciler expects no message",
  );
});

test("the first split has from no parts to as many as are allowed", (t) => {
  const words = seededWords(SEED);
  for (let trial = 0; trial < 2000; trial += 1) {
    const partsMax = 1 + below(words, 300);
    const parts = splitFor(words(), below(words, 1e6), words() >>> below(words, 32), partsMax);
    if (!(Number.isInteger(parts) && parts >= 0 && parts <= partsMax)) return t.fail(`SEED=${SEED}, trial ${trial}`);
  }
  t.is(splitFor(1500, 750, 750, 64), 0);
  t.is(splitFor(740, 750, 10, 64), 1);
});

test.serial("the set and the reconciler of a board fit into 9 KB", (t) => {
  let bytes = 0;
  const counted = (type: new (size: number) => ArrayBufferView) =>
    new Proxy(type, {
      construct(target, [size]) {
        const array = new target(size);
        bytes += array.byteLength;
        return array;
      },
    });
  const kept = { Uint8Array, Uint16Array, Uint32Array, Int32Array };
  for (const [name, type] of Object.entries(kept)) Object.assign(globalThis, { [name]: counted(type) });
  new SaltedSet(BOARD_ITEMS);
  new Reconciler({ capacity: BOARD_ITEMS });
  Object.assign(globalThis, kept);
  t.is(bytes, 9096);
  t.true(bytes <= MEMORY_BYTES_MAX);
});

test("the bench keeps its promises, a value above its limit breaks one, and docs/protocol.md has its figures", (t) => {
  const results = sessions();
  for (const result of results) t.false(missed(result), `${result.name}: ${result.value}`);
  const promised = results.filter((result) => result.limit !== undefined).map((result) => result.name);
  t.deepEqual(promised, [
    "d0",
    "d1",
    "d1.roundTrips",
    "d10",
    "d10.roundTrips",
    "d50",
    "d50.roundTrips",
    "d50.roundTripsWorst",
    "d50.airMs",
    "d200",
    "d200.roundTripsWorst",
    "disjoint",
    "disjoint.roundTripsWorst",
  ]);
  for (const result of results.filter(({ limit }) => limit !== undefined)) {
    t.true(missed({ ...result, value: result.limit! + 1 }), `${result.name} above its limit counts as missed`);
  }
  const labels = { d0: "0", d1: "1", d10: "10", d50: "50", d200: "200", disjoint: "750 + 750, nothing shared" };
  const lines = Object.entries(labels).map(([name, label]) => {
    const found = results.find((result) => result.name === name)!;
    const figure = (key: string): string => Number(found[key]).toLocaleString("en");
    const roundTrips = `${figure("roundTrips")}, ${figure("roundTripsWorst")}`;
    const airMs = Number(found.airMs).toFixed(1);
    return `| ${label} | ${figure("bytes")} | ${figure("bytesWorst")} | ${roundTrips} | ${figure("messages")} | ${airMs} |`;
  });
  t.true(readFileSync("docs/protocol.md", "utf8").includes(`|---|\n${lines.join("\n")}\n\n`), lines.join("\n"));
});
