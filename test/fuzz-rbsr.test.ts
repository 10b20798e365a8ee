/**
 * A peer may send any bytes. This coverage-guided fuzz feeds them to `Reconciler.receive`, as initiator and as
 * responder, with the first message and with every later one. The sets are empty, small, full, or full of shared tags.
 *
 * fuzz/fuzzer.ts says how to replay a finding and how to run longer.
 */
import test from "ava";
import { exchange, type Ids, randomPair, Side, seededWords } from "../bench/rbsr.ts";
import { MESSAGE_SIZE_BYTES_MAX, MESSAGES_MAX } from "../modules/rbsr/reconciler.ts";
import { CoveredModules, type Replacement } from "./fuzz/coverage.ts";
import { executionsOf, type Target } from "./fuzz/fuzzer.ts";
import { CHOICES_BYTES, type Input } from "./fuzz/input.ts";
import { nothingIsFound, onlyGuidedFinds } from "./fuzz/verdict.ts";
import { BOARD_ITEMS, fillUnsalted } from "./rbsr-sides.ts";

const EXECUTIONS = executionsOf(40_000);
/** Some seeds need two thirds of these executions to find the defect. */
const CANARY_EXECUTIONS = executionsOf(120_000);
/**
 * How many lines of the modules in ANSWERING may stay unreached, of about 560. Each version of V8 counts a class's
 * fields in another way, so this is no share of all lines.
 */
const UNREACHED_MAX = 18;
const ANSWERING = ["answer", "check", "decode", "message", "open-ranges", "range-writer", "reconciler", "item-bitmap"];
/** Bytes behind the largest answer. The reconciler must not write there. */
const GUARD_BYTES = 64;
const GUARD = 0xa5;
const OFFSET_MAX = 8;

type Modules = typeof import("../modules/rbsr/reconciler.ts") & typeof import("../modules/rbsr/salted-set.ts");

/** Estimates for an initiator, from sets that are nearly the same to sets that share nothing. */
const ESTIMATES = [1, 2, 6, 20, 60, 300, 2000];

/** Pairs of sets of mixes: the set of the reconciler under test, and the set of its peer. */
function pairs(words: () => number): [Ids, Ids][] {
  const sharing = randomPair(words, 30, 8, 8);
  for (const ids of sharing) for (let item = 0; item < ids.length / 2; item += 1) ids[2 * item + 1] = (item * item) % 5;
  // As many items as one message lists, all with the same tag.
  const [alike] = randomPair(words, 500, 0, 0);
  for (let item = 0; item < alike.length / 2; item += 1) alike[2 * item + 1] = 7;
  return [
    randomPair(words, 0, 0, 5),
    randomPair(words, 3, 2, 2),
    randomPair(words, 40, 6, 6),
    randomPair(words, 300, 40, 40),
    randomPair(words, 0, BOARD_ITEMS, BOARD_ITEMS),
    sharing,
    [alike, alike],
  ];
}

/** The messages of an honest peer to a reconciler in the state that the choices name. */
function honestInput(sets: [Ids, Ids][], choices: number[]): Input {
  const [mine, theirs] = sets[choices[1]! % sets.length]!;
  const me = new Side({ capacity: BOARD_ITEMS });
  const peer = new Side({ capacity: BOARD_ITEMS });
  fillUnsalted(me, mine);
  fillUnsalted(peer, theirs);
  const initiates = (choices[0]! & 1) === 1;
  const [a, b] = initiates ? [me, peer] : [peer, me];
  b.reconciler.respondTo(b.set);
  const estimate = ESTIMATES[choices[2]! % ESTIMATES.length]!;
  const messages: Uint8Array[] = [];
  exchange(a, b, a.reconciler.initiate(a.set, estimate, a.out), (message) => messages.push(message.slice()));
  return {
    choices: Uint8Array.from({ length: CHOICES_BYTES }, (_, at) => choices[at] ?? 0),
    packets: messages.filter((_, at) => (at & 1) === (initiates ? 1 : 0)),
  };
}

function targetOf({ Reconciler, SaltedSet }: Modules, seedsOf: (sets: [Ids, Ids][]) => Input[]): Target {
  const sets = pairs(seededWords(0x66757a7a));
  const set = new SaltedSet(BOARD_ITEMS);
  const reconciler = new Reconciler({ capacity: BOARD_ITEMS });
  const out = new Uint8Array(MESSAGE_SIZE_BYTES_MAX + GUARD_BYTES);
  const memory = new Uint8Array(OFFSET_MAX + 2 * MESSAGE_SIZE_BYTES_MAX);
  const check = (right: boolean, wrong: string) => {
    if (!right) throw new Error(wrong);
  };
  const checkState = () => {
    const { state, refusal, haveCount } = reconciler;
    check(state === "open" || state === "done" || state === "refused", `state ${state}`);
    check((state === "refused") === (refusal !== undefined), `${state} for ${refusal}`);
    let have = 0;
    for (let item = 0; item < set.count; item += 1) if (reconciler.has(item)) have += 1;
    check(have === haveCount, `haveCount is ${haveCount}, but the peer lacks ${have} items of the set`);
    let items = 0;
    for (let index = 0; index < set.count; index += 1) items += set.items[index]!;
    check(items === (set.count * (set.count - 1)) / 2, "the set was changed");
  };
  const checkAnswer = (length: number) => {
    check(Number.isInteger(length) && length >= 0 && length <= MESSAGE_SIZE_BYTES_MAX, `an answer of ${length} bytes`);
    check(length === 0 || reconciler.state !== "refused", "a refused session answered");
    check(
      !out.subarray(MESSAGE_SIZE_BYTES_MAX).some((byte) => byte !== GUARD),
      "something was written behind the largest message",
    );
  };
  return {
    seeds: seedsOf(sets),
    name: "fuzz-rbsr",
    packetBytesMax: MESSAGE_SIZE_BYTES_MAX + 8,
    run({ choices, packets }) {
      const [role, which, expected, shift] = choices as unknown as [number, number, number, number];
      const [mine, theirs] = sets[which % sets.length]!;
      out.fill(GUARD, MESSAGE_SIZE_BYTES_MAX);
      set.begin(0, 0);
      for (let item = 0; item < mine.length / 2; item += 1) set.place(mine[2 * item]!, mine[2 * item + 1]!, item);
      set.seal();
      if (role & 1) {
        const estimate = ESTIMATES[expected % ESTIMATES.length]!;
        checkAnswer(reconciler.initiate(set, estimate, out, theirs.length / 2));
      } else reconciler.respondTo(set);
      let accepted = 0;
      for (const packet of packets) {
        const offset = shift % OFFSET_MAX;
        memory.set(packet, offset);
        if (reconciler.state === "open") accepted += 1;
        checkAnswer(reconciler.receive(memory, offset, packet.length, out));
        check(
          packet.every((byte, at) => memory[offset + at] === byte),
          "the message was changed",
        );
      }
      check(accepted <= MESSAGES_MAX + 1, `${accepted} messages were accepted`);
      checkState();
    },
  };
}

/** The messages of an honest peer, for every state. */
function everySeed(sets: [Ids, Ids][]): Input[] {
  return [0, 1].flatMap((role) =>
    sets.flatMap((_, which) => ESTIMATES.map((_, expected) => honestInput(sets, [role, which, expected]))),
  );
}

/** Only messages of sessions in which tags tell all items apart. The fuzzer must find the doubts itself. */
function fewSeeds(sets: [Ids, Ids][]): Input[] {
  return [0, 1].map((role) => honestInput(sets, [role, 1, ESTIMATES.length - 1]));
}

function load(defect?: Replacement): Promise<CoveredModules<Modules>> {
  return CoveredModules.load<Modules>(["modules/rbsr/reconciler.ts", "modules/rbsr/salted-set.ts"], defect);
}

test.serial(
  "no message makes the reconciler throw, write out of bounds or misreport its state, and nearly every line ran",
  async (t) => {
    const modules = await load();
    nothingIsFound(
      t,
      { modules, target: targetOf(modules.exports, everySeed), executions: EXECUTIONS },
      {
        paths: ANSWERING.map((name) => `modules/rbsr/${name}.ts`),
        uncalled: [],
        unreachedMax: UNREACHED_MAX,
      },
    );
  },
);

test.serial("canary: the guided fuzz finds a defect behind a doubt, and random bytes do not", async (t) => {
  // The defect is in the third message about one range: a list that has a tag twice, then the doubt, then the message
  // that says which of the mixes are wanted.
  const modules = await load({
    find: "if (this.#reader.bit() === 1) this.#have.add(item);\n      }\n    }\n  };",
    by: "if (this.#reader.bit() === 1) this.#have.add(item + 4096);\n      }\n    }\n  };",
  });
  onlyGuidedFinds(
    t,
    { modules, target: targetOf(modules.exports, fewSeeds), executions: CANARY_EXECUTIONS },
    /but the peer lacks/,
  );
});
