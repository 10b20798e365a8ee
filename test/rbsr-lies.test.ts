/**
 * A peer may lie: about counts and fingerprints, about the order of parts and lists, and it may go on for ever.
 * Whatever a peer says to modules/rbsr, it must cost an honest board a bounded number of bytes and messages, and the
 * session must end with a flat list or a close.
 *
 * A liar is a Reconciler whose set lies when it is summarised, or a message that the test rewrites on its way.
 *
 * Replay with SEED=n.
 */
import test from "ava";
import { exchange, randomKey, randomPair, Side, seededWords } from "../bench/rbsr.ts";
import {
  ITEM_TAG_BYTES,
  MessageReader,
  OP_BITS,
  SPLIT,
  TAGS,
  WANT,
  writeVarint,
  writeWord,
} from "../modules/rbsr/message.ts";
import { RangeWriter } from "../modules/rbsr/range-writer.ts";
import {
  MESSAGE_SIZE_BYTES_MAX,
  MESSAGES_MAX,
  OPEN_RANGES_MAX,
  type ReconcileRefusal,
  type ReconcilerState,
} from "../modules/rbsr/reconciler.ts";
import type { Summary } from "../modules/rbsr/summary.ts";
import { BOARD_ITEMS, below, keyOf } from "./rbsr-sides.ts";

const SEED = Number(process.env.SEED ?? 1);

/**
 * The most bytes that the honest side may send: every item listed once, and every part of the first split summarised
 * once and left whole once.
 */
const BYTES_MAX = ITEM_TAG_BYTES * BOARD_ITEMS + 2 * OPEN_RANGES_MAX * 15;
/**
 * The most messages of both sides together. Each side may send summaries, lists that fill two messages, and which items
 * of the other side's lists it wants.
 */
const EXCHANGED_MAX = 8;

/** What a session with a liar cost. */
interface Cost {
  /** Bytes of the honest side. */
  bytes: number;
  /** Messages of both sides. */
  messages: number;
  /** The state in which the honest side ended. */
  state: ReconcilerState;
}

/** The fields of a summary that the liar falsifies. */
type Lie = (said: Summary, words: () => number) => Partial<Summary>;

/** Runs sessions of full boards in which one side tells `lie` about every range. It initiates every other session. */
function sessionsWith(words: () => number, lie: Lie): Cost[] {
  const honest = new Side({ capacity: BOARD_ITEMS });
  const liar = new Side({ capacity: BOARD_ITEMS });
  const summarise = liar.set.summarise.bind(liar.set);
  const costs: Cost[] = [];
  for (let trial = 0; trial < 400; trial += 1) {
    const different = below(words, BOARD_ITEMS);
    const [idsHonest, idsLiar] = randomPair(words, BOARD_ITEMS - different, different, different);
    const key = randomKey(words);
    honest.fill(idsHonest, key);
    liar.fill(idsLiar, key);
    liar.set.summarise = (from, to, out) => {
      summarise(from, to, out);
      Object.assign(out, lie(out, words));
    };
    const [a, b] = trial & 1 ? [honest, liar] : [liar, honest];
    b.reconciler.respondTo(b.set);
    const sizes = exchange(a, b, a.reconciler.initiate(a.set, below(words, 2 * different + 2), a.out));
    const bytes = sizes.reduce(
      (sum, size, message) => ((message & 1 ? honest === b : honest === a) ? sum + size : sum),
      0,
    );
    costs.push({ bytes, messages: sizes.length, state: honest.reconciler.state });
  }
  return costs;
}

/** The costs above a bound. A session that the honest side still holds open is no fault: the liar fell silent. */
function beyond(costs: Cost[]): Cost[] {
  return costs.filter(({ bytes, messages }) => bytes > BYTES_MAX || messages > EXCHANGED_MAX);
}

function summary(costs: Cost[]): string {
  const most = (figure: "bytes" | "messages") => Math.max(...costs.map((cost) => cost[figure]));
  const ended = (state: ReconcilerState) => costs.filter((cost) => cost.state === state).length;
  const ends = `${ended("done")} done, ${ended("refused")} refused, ${ended("open")} left open by the liar`;
  return `${ends}; at most ${most("bytes")} bytes, ${most("messages")} messages`;
}

const LIES: [string, Lie][] = [
  ["wrong counts, one more", (said) => ({ count: said.count + 1 })],
  ["wrong counts, half", (said) => ({ count: said.count >> 1 })],
  ["wrong counts, nothing", () => ({ count: 0 })],
  ["wrong counts, absurdly many", () => ({ count: 0xffffffff })],
  ["wrong counts, anything", (_, words) => ({ count: words() >>> below(words, 32) })],
  ["wrong fingerprints, of the XOR", (_, words) => ({ xor: words() | 0 })],
  ["wrong fingerprints, of the sum", (_, words) => ({ sum: words() | 0 })],
  [
    "wrong fingerprints, of another set",
    (_, words) => ({ count: 1 + below(words, 40), xor: words() | 0, sum: words() | 0 }),
  ],
];

for (const [name, lie] of LIES) {
  test(`a peer that lies (${name}) costs bounded bytes and messages`, (t) => {
    const costs = sessionsWith(seededWords(SEED), lie);
    t.log(summary(costs));
    t.deepEqual(beyond(costs), [], `SEED=${SEED}`);
  });
}

test.serial("canary: a board that divides every range that it should list exceeds the bounds", (t) => {
  const listOrLeave = RangeWriter.prototype.listOrLeave;
  RangeWriter.prototype.listOrLeave = function (set) {
    this.divide(set, 2, false);
  };
  t.teardown(() => {
    RangeWriter.prototype.listOrLeave = listOrLeave;
  });
  const costs = sessionsWith(seededWords(SEED), (_, words) => ({ xor: words() | 0 }));
  t.true(beyond(costs).length > costs.length / 2, summary(costs));
});

test("parts in reverse order cost no more than a flat list, and a list out of order is refused", (t) => {
  const words = seededWords(SEED);
  const honest = new Side({ capacity: BOARD_ITEMS });
  const liar = new Side({ capacity: BOARD_ITEMS });
  for (let trial = 0; trial < 100; trial += 1) {
    const [idsHonest, idsLiar] = randomPair(words, 700, 25, 25);
    honest.fill(idsHonest, keyOf("0102030405060708"));
    liar.fill(idsLiar, keyOf("0102030405060708"));
    honest.reconciler.respondTo(honest.set);
    const length = backwards(liar.out, liar.reconciler.initiate(liar.set, 50, liar.out));
    const sizes = exchange(liar, honest, length);
    const bytes = sizes.filter((_, message) => message & 1).reduce((sum, size) => sum + size, 0);
    t.true(bytes <= BYTES_MAX && sizes.length <= EXCHANGED_MAX, `SEED=${SEED}: ${sizes}`);
  }
  honest.reconciler.respondTo(honest.set);
  const list = Uint8Array.of(TAGS, 2, 0, 0, 0, 2, 0, 0, 0, 1);
  t.is(honest.reconciler.receive(list, 0, list.length, honest.out), 0);
  t.is(honest.reconciler.refusal, "order");
});

test("parts that are too many only in sum are refused", (t) => {
  const words = seededWords(SEED);
  const side = new Side({ capacity: BOARD_ITEMS });
  side.fill(randomPair(words, 300, 0, 0)[0], keyOf("0102030405060708"));
  const length = side.reconciler.initiate(side.set, 20, side.out);
  const reader = new MessageReader();
  reader.begin(side.out, 0, length, OP_BITS);
  const elements = reader.varint() >>> 1;
  // The peer divides each of my summaries into as many empty parts as may be open in a whole session.
  const bits = new Uint8Array((OP_BITS * elements + 7) >>> 3).fill(0xff);
  if (elements % 4 !== 0) bits[bits.length - 1] = (1 << (OP_BITS * (elements % 4))) - 1;
  const body = new Uint8Array(2 + OPEN_RANGES_MAX);
  writeVarint(body, 0, 2 * OPEN_RANGES_MAX);
  const message = Buffer.concat([bits, ...Array.from({ length: elements }, () => body)]);
  t.true(elements > 1);
  t.is(side.reconciler.receive(message, 0, message.length, side.out), 0);
  t.is(side.reconciler.refusal, "ranges");
});

/** Rewrites a first message, which is a SPLIT, with its parts in reverse order. Returns the length, which stays. */
function backwards(message: Uint8Array, length: number): number {
  const reader = new MessageReader();
  reader.begin(message.slice(0, length), 0, length, OP_BITS);
  const partsAsked = reader.varint();
  const parts = Array.from({ length: partsAsked >>> 1 }, () => {
    const count = reader.varint();
    return count === 0 ? [0] : [count, reader.word(), reader.word()];
  });
  let at = writeVarint(message, 1, partsAsked);
  for (const [count, ...words] of parts.reverse()) {
    at = writeVarint(message, at, count!);
    for (const word of words) {
      writeWord(message, at, word);
      at += 4;
    }
  }
  return at;
}

test("in endless rounds a board ends with a flat list, and a host refuses after bounded messages and bytes", (t) => {
  const words = seededWords(SEED);
  const message = new Uint8Array(MESSAGE_SIZE_BYTES_MAX);
  // A board can list all of its items. A host with more items than its messages can list could be led on for ever.
  for (const [items, bytesMax, state, refusal] of [
    [BOARD_ITEMS, BYTES_MAX, "done", undefined],
    [50_000, MESSAGES_MAX * MESSAGE_SIZE_BYTES_MAX, "refused", "rounds"],
  ] as [number, number, ReconcilerState, ReconcileRefusal | undefined][]) {
    const side = new Side({ capacity: items });
    const [ids] = randomPair(words, items, 0, 0);
    side.fill(ids, keyOf("0102030405060708"));
    side.reconciler.respondTo(side.set);
    message.set([3, 3, 0x88, 0x27, 1, 1, 1, 1, 1, 1, 1, 1]);
    let length = 12;
    let splits = 1;
    let messages = 0;
    let bytes = 0;
    for (; side.reconciler.state === "open"; messages += 1) {
      const answer = side.reconciler.receive(message, 0, length, side.out);
      t.true(answer <= MESSAGE_SIZE_BYTES_MAX);
      bytes += answer;
      [length, splits] = onlySplits(message, side.out, answer, splits);
    }
    t.is<ReconcilerState, ReconcilerState>(side.reconciler.state, state);
    t.is(side.reconciler.refusal, refusal);
    t.true(messages <= MESSAGES_MAX + 1);
    t.true(bytes <= bytesMax, `${bytes} bytes`);
  }
});

/**
 * Writes a message that answers each summary with a SPLIT into one part of absurd contents, and that wants no listed
 * item. The message answers the other side's message `answered`, which itself answered `elements` summaries and no
 * list.
 *
 * Returns the length of the message, and how many parts it opens.
 */
function onlySplits(message: Uint8Array, answered: Uint8Array, length: number, elements: number): [number, number] {
  const reader = new MessageReader();
  reader.begin(answered, 0, length, OP_BITS * elements);
  const lists: number[] = [];
  for (let element = 0; element < elements; element += 1) {
    const op = reader.op();
    if (op === WANT) reader.word();
    if (op === TAGS) {
      const listed = reader.varint();
      reader.skip(ITEM_TAG_BYTES * listed);
      if (listed > 0) lists.push(listed + 1);
    }
    if (op !== SPLIT) continue;
    for (let parts = reader.varint() >>> 1; parts > 0; parts -= 1) {
      if (reader.varint() > 0) reader.skip(8);
      lists.push(0);
    }
  }
  const splits = lists.filter((bits) => bits === 0).length;
  message.fill(0);
  let bit = 0;
  let at = (OP_BITS * splits + lists.reduce((sum, bits) => sum + bits, 0) + 7) >>> 3;
  for (const bits of lists) {
    bit += bits;
    if (bits > 0) continue;
    for (let end = bit + OP_BITS; bit < end; bit += 1) message[bit >>> 3]! |= 1 << (bit & 7);
    message.set([3, 0x88, 0x27, 9, 9, 9, 9, 9, 9, 9, 9], at);
    at += 11;
  }
  return [at, splits];
}
