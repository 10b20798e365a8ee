/**
 * A board in the field gets a new image over its line. Whatever goes wrong on the way, a whole image must start
 * afterwards, and nothing but the other app partition may change. These tests run both ends of an update over a
 * simulated line, the board's end over a chip of the tests' own (update-chip.ts).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import test from "ava";
import { build } from "esbuild";
import { firmwareImage } from "./firmware-image.ts";
import { play, SMALL } from "./update-world.ts";
import { changing } from "./xs/machine.ts";

test("a new image arrives byte for byte, is on trial at its first start, and stays when it has proved itself", (t) => {
  const { chip, host, image, outside, before } = play();
  t.deepEqual([host.state, host.failure], ["done", undefined]);
  t.deepEqual(host.board, { chip: 5, room: 0x220000, trial: false, firmware: "0.1.0+old role=throwie" });
  t.deepEqual(chip.boot(), Buffer.from(image));
  t.true(chip.natives.xs_board_image_on_trial!());
  chip.natives.xs_board_image_confirm!();
  for (let start = 0; start < 3; start++) t.deepEqual(chip.boot(), Buffer.from(image));
  t.is(chip.outside, outside);
  t.deepEqual(chip.imageIn(0), before, "the image that ran is not touched");
});

test("an image that is not confirmed before the next start gives way to the one before, for good", (t) => {
  const { chip, image, before } = play();
  t.deepEqual(chip.boot(), Buffer.from(image));
  for (let start = 0; start < 3; start++) t.deepEqual(chip.boot(), before);
  t.false(chip.natives.xs_board_image_on_trial!());
});

test("updates go to and fro between the two partitions, also after a roll-back", (t) => {
  const first = play();
  first.chip.boot();
  first.chip.natives.xs_board_image_confirm!();
  const second = play({ chip: first.chip, fill: 3 });
  t.is(second.host.state, "done");
  t.deepEqual(second.chip.boot(), Buffer.from(second.image));
  t.deepEqual(second.chip.boot(), Buffer.from(first.image), "back to the second-last one");
  const third = play({ chip: first.chip, fill: 4 });
  t.deepEqual(third.chip.boot(), Buffer.from(third.image));
  t.is(third.chip.outside, first.outside);
});

test("wherever the power is cut, a whole image starts: the old one until the new one is chosen", (t) => {
  const whole = play();
  const { operations } = whole.chip;
  t.true(operations > 25, `${operations} erases and programs`);
  let choosing = 0;
  for (let cutAt = 1; cutAt <= operations; cutAt++) {
    const { chip, cut, image, before, outside } = play({ cutAt });
    t.true(cut, `the power was cut at ${cutAt}`);
    const started = chip.boot();
    t.true(started?.equals(before) === true || started?.equals(image) === true, `cut at ${cutAt}: nothing starts`);
    if (started!.equals(image)) choosing++;
    t.is(chip.outside, outside);
    const again = play({ chip, fill: 9 });
    t.is(again.host.state, "done", `an update after the cut at ${cutAt}`);
    t.deepEqual(chip.boot(), Buffer.from(again.image));
  }
  t.is(choosing, 0, "half a record does not count");
});

test("what an update must not do is refused, and the board goes on with its firmware", (t) => {
  const damaged = (image: Uint8Array): Uint8Array => image.map((byte, i) => (i === 5_000 ? byte ^ 4 : byte));
  const cases: [Parameters<typeof play>[0], string][] = [
    [{ imageChip: 9 }, "chip"],
    [{ imageChip: 9, announcedChip: 5 }, "chip"],
    [{ sizeBytes: 0x220000 + 16 }, "size"],
    [{ change: damaged }, "digest"],
    [{ change: (image) => image.map((byte, i) => (i === image.length - 1 ? byte ^ 1 : byte)) }, "digest"],
    [{ change: (image) => image.map((byte, i) => (i === 0 ? 0 : byte)) }, "digest"],
    [{ change: (image) => firmwareImage({ segments: [image.length - 80], fill: 7 }) }, "digest"],
    [{ wornFrom: 8 }, "flash"],
    [{ onTrial: true }, "trial"],
    [{ boardVersion: 2 }, "version"],
    [{ cutLineAfter: 9_000 }, "cut"],
    [{ cutLineAfter: 0 }, "silent"],
  ];
  for (const [change, failure] of cases) {
    const { chip, host, board, before, outside, operations } = play(change);
    t.deepEqual([host.state, host.failure], ["failed", failure]);
    t.not(board.state, "chosen", failure);
    if (/chip|size|trial|version|silent/.test(failure)) t.is(operations, 0, `${failure}: nothing was written`);
    if (change!.onTrial !== true) t.deepEqual(chip.boot(), before, failure);
    t.is(chip.outside, outside, failure);
  }
});

test("a board that nobody calls, or whose host falls silent, goes on with its start", (t) => {
  const alone = play({ cutLineAfter: 0 });
  t.deepEqual([alone.board.state, alone.boardMs], ["over", 250]);
  const left = play({ cutLineAfter: 9_000 });
  t.is(left.board.state, "over");
});

test("a line that loses, damages and adds bytes makes an update slower and nothing else", (t) => {
  for (let seed = 1; seed <= 12; seed++) {
    const { chip, host, image, outside } = play({ seed, noise: 400, sizeBytes: SMALL });
    t.is(host.state, "done", `SEED=${seed}`);
    t.deepEqual(chip.boot(), Buffer.from(image), `SEED=${seed}`);
    t.is(chip.outside, outside, `SEED=${seed}`);
  }
});

test("a host that starts anew in the middle begins from the first byte", (t) => {
  const { chip } = play({ cutLineAfter: 9_000 });
  const { host, image } = play({ chip, fill: 2 });
  t.is(host.state, "done");
  t.deepEqual(chip.boot(), Buffer.from(image));
});

/** Another image of the same size, whole and with a SHA-256 of its own. */
const another = (image: Uint8Array): Uint8Array => firmwareImage({ segments: [image.length - 80], fill: 7 });

/** Each entry breaks the board's end in one place. */
const BREAKAGES: [what: string, file: string, from: string, to: string, change: Parameters<typeof play>[0]][] = [
  [
    "the image is not read back",
    "update/update-board.ts",
    "!this.#next.holds(this.#digest)",
    "false",
    { change: another },
  ],
  ["the image's hash is not compared", "board/next-image.ts", "found[i] !== digest[i]", "false", { change: another }],
  [
    "bytes in the wrong order are taken",
    "update/update-board.ts",
    "offset !== this.#written || !fits",
    "false",
    { noise: 400, seed: 3 },
  ],
  [
    "the chip is not compared",
    "update/update-board.ts",
    "chip !== this.#next.chip",
    "false",
    { imageChip: 9, announcedChip: 9 },
  ],
  [
    "a board on trial takes an image",
    "update/update-board.ts",
    "if (this.#next.trial)",
    "if (false)",
    { onTrial: true },
  ],
];

for (const [what, file, from, to, change] of BREAKAGES) {
  test(`canary: it is noticed when ${what}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "throwie-update-"));
    const program = join(folder, "broken.mjs");
    await build({
      entryPoints: ["test/update-world.ts"],
      bundle: true,
      packages: "external",
      outfile: program,
      format: "esm",
      platform: "node",
      target: "es2022",
      logLevel: "silent",
      plugins: [changing({ [`modules/${file}`]: [from, to] })],
    });
    const broken = (await import(pathToFileURL(program).href)) as { play: typeof play };
    rmSync(folder, { recursive: true });
    const right = play(change);
    const wrong = broken.play(change);
    t.notDeepEqual(summaryOf(wrong), summaryOf(right));
  });
}

function summaryOf({ host, operations, faults }: ReturnType<typeof play>): unknown {
  return { state: host.state, failure: host.failure, wrote: operations > 0, faults };
}
