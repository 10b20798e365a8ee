/**
 * A figure in a document ages with each change of the code. This test runs `npm run bench -- xs` and compares what it
 * finds with the sentences and rows that give these figures. A figure is an exact count, so a document must have it
 * exactly, or rounded as the row or the sentence here says. If the test fails, write the text that it names.
 *
 * `test/rbsr.test.ts` does the same for the bench rbsr.
 */
import { readFileSync } from "node:fs";
import test from "ava";
import { xs } from "../bench/xs.ts";
import { BYTECODES_PER_SECOND } from "../sim/power.ts";

const whole = (value: number): string => Math.round(value).toLocaleString("en");
const thousands = (value: number): string => `${whole(value / 1_000)},000`;
const millions = (value: number, digits = 1): string => `${(value / 1e6).toFixed(digits)} million`;
const seconds = (milliseconds: number): string => (milliseconds / 1_000).toFixed(1);
const time = (bytecodes: number): string => {
  const ms = (1_000 * bytecodes) / BYTECODES_PER_SECOND;
  return ms < 100 ? `${ms.toFixed(1)} ms` : `${seconds(ms)} s`;
};

/** The rows of the bench that miss their promise. docs/firmware.md, "Budgets", says why. */
const MISSED = ["transfer, flash left out"];

test("the documents give the figures that the bench xs prints, and each promise but one is kept", async (t) => {
  const { results } = await xs();
  t.deepEqual(
    results.filter(({ value, limit }) => limit !== undefined && value > limit).map(({ name }) => name),
    MISSED,
  );
  const figures = new Map(results.map(({ name, value }) => [name, value]));
  const figure = (name: string): number => {
    const value = figures.get(name);
    if (value === undefined) throw new Error(`the bench xs prints no row "${name}"`);
    return value;
  };
  const row = (label: string, name: string): string => `| ${label} | ${whole(figure(name))} | ${time(figure(name))} |`;
  const mount = figure("store of 750 mounted, without CRC");
  const texts: Record<string, string[]> = {
    "docs/firmware.md": [
      row("idle turn of the main loop", "idle turn"),
      row("turn with a beacon", "turn with a beacon"),
      row("contact of 50 Drops, giver", "contact of 50 Drops, giver"),
      row("contact of 50 Drops, taker", "contact of 50 Drops, taker"),
      row("hashing the 50 afterwards", "hashing them afterwards"),
      `takes ${whole(figure("whole node, slots"))} of these slots and ${whole(figure("whole node, chunks"))} of these`,
      `That is ${whole(figure("whole node, together"))} of the 98,304 bytes`,
      `The Drops cross in ${figure("transfer, flash left out")} times the airtime`,
      `**No step takes longer than ${figure("the longest slice of that")} ms**`,
      `With erases the same transfer takes ${figure("transfer, with erases")} times the airtime.`,
      `a Drop costs ${whole(figure("erases and programs") / 50)} ms of flash`,
      `**Setting up a contact** takes ${seconds(figure("setting up"))} s`,
      `${figure("charge, giver")} mAh for the giver`,
      `${figure("charge, taker, hashing included")} mAh for the taker`,
    ],
    "docs/store.md": [
      `an insert takes ${thousands(figure("Drop inserted"))} bytecodes without the hash`,
      `choosing the victim takes ${thousands(figure("coldest of 750 chosen"))}.`,
      `Finding a Drop takes ${whole(figure("Drop found"))}.`,
      `A mount of 750 Drops takes ${millions(figure("store of 750 mounted"))}, of which ${millions(mount)} are`,
    ],
    "docs/power.md": [
      `\`npm run bench -- xs\` measures ${millions(mount, 2)}`,
      `${thousands(figure("node of 750 Drops resumed, without CRC"))} bytecodes (\`npm run bench -- xs\``,
    ],
    "docs/protocol.md": [`a side takes ${millions(figure("reconciliation, a side"), 2)} bytecodes`],
  };
  for (const [path, expected] of Object.entries(texts)) {
    // A line of Markdown may end anywhere in a sentence.
    const document = readFileSync(path, "utf8").replace(/\s+/g, " ");
    t.deepEqual(
      expected.filter((text) => !document.includes(text)),
      [],
      `${path} must say`,
    );
  }
});
