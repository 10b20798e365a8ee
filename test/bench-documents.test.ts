/**
 * CI compares the tables of docs/ with what the benches print. These tests show that the comparison finds a figure that
 * is outdated, and that no row of a bench goes without a limit or a reason. The benches themselves take minutes, so the
 * rows are read from a document here.
 */
import { readFileSync } from "node:fs";
import test from "ava";
import { outdated } from "../bench/documents.ts";
import type { Result } from "../bench/result.ts";
import { reasoned } from "../bench/unlimited.ts";

/** The rows of the bench link that docs/protocol.md states. */
function stated(): Result[] {
  const rows = readFileSync("docs/protocol.md", "utf8").matchAll(/^\| `(\w+)`: [^|]*\|([^|]*)\|([^|]*)\|([^|]*)\|$/gm);
  return [...rows].map(([, name, median, worst, limit]) => {
    const value = Number(median!.trim() || worst);
    return { name: name!, value, worst: Number(worst), unit: "", limit: Number(limit) };
  });
}

test("a document with the figures of the bench is up to date, and a figure that moves shows", (t) => {
  t.deepEqual(outdated("link", stated(), false), []);
  const moved = stated().map((row) => (row.name === "loss30" ? { ...row, value: row.value + 0.1 } : row));
  const differing = outdated("link", moved, false);
  t.is(differing.length, 1);
  t.regex(differing[0]!, /^docs\/protocol\.md: \| `loss30`: 30 % \|/);
  const without = stated().filter(({ name }) => name !== "cut");
  t.throws(() => outdated("link", without, false), { message: /^bench: link prints no value of "cut"/ });
});

test("a row has a limit or a reason, and a reason has a row", (t) => {
  t.is(reasoned("link", stated()).length, stated().length);
  const row = { name: "frame sent backwards", value: 1, unit: "" };
  t.throws(() => reasoned("link", [row]), { message: /"frame sent backwards" has no limit/ });
  t.throws(() => reasoned("store", [{ ...row, limit: 1 }]), { message: /no row of store needs the reason/ });
  t.is(reasoned("eviction", [row])[0]!.reason, "rules are compared; none is promised");
});
