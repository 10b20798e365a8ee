/**
 * Why rows have no limit. A figure without a promise beside it says little. So each row of a bench has a limit, or it
 * is named here with the reason. `npm run bench` refuses a row that has neither, and a reason that no row needs any
 * more.
 */
import type { Result } from "./result.ts";

const REASONS: Record<string, [rows: RegExp, reason: string][]> = {
  eviction: [[/./, "rules are compared; none is promised"]],
  power: [
    [/: two boards meet, (median|99 of 100)$/, "only the longest time is promised"],
    [/: Disco, /, "another schedule, beside ours"],
    [/: a Mule meets a board, /, "follows from the primes"],
    [/^(full )?town, /, "one town, one seed"],
    [/: radio on$|sleep$|sleep, | MHz: |^always awake: |^deep sleep costs /, "follows from data sheets"],
  ],
  rbsr: [
    [/^negentropy|Of\d+$/, "another algorithm, beside ours"],
    [/^d50of/, "only a board's sets are promised"],
  ],
  store: [
    [/OverLittlefs$/, "another store, beside ours"],
    [/\.slack\./, "another rule, beside ours"],
    [/\.erasesWorst$/, "the mean is promised"],
    [/\.kept$/, "checkpoints follow the clock"],
  ],
  xs: [
    [
      /^frame sent and received|^contact of 50|^hashing them|^processor, |^charge, |^setting up$/,
      "for docs/firmware.md",
    ],
    [/^transfer, with erases$|^erases and programs$/, "flash chips differ"],
    [/^whole node, (slots|chunks)$/, "their sum is promised"],
    [
      /mounted|^Drop hashed$|^idle turn$|^turn with|^beacon of|^node of|^state of/,
      "a part of a wake-up or of a contact",
    ],
  ],
};

/** The rows with the reasons of those without a limit. Throws an Error for a row that has neither. */
export function reasoned(bench: string, results: Result[]): (Result & { reason?: string })[] {
  const reasons = REASONS[bench] ?? [];
  const needed = new Set<RegExp>();
  const rows = results.map((row) => {
    if (row.limit !== undefined) return row;
    const found = reasons.find(([rows]) => rows.test(row.name));
    if (found === undefined)
      throw new Error(`bench: "${row.name}" has no limit, and unlimited.ts has no reason for it`);
    needed.add(found[0]);
    return { ...row, reason: found[1] };
  });
  const idle = reasons.find(([rows]) => !needed.has(rows));
  if (idle !== undefined) throw new Error(`bench: no row of ${bench} needs the reason "${idle[1]}" any more`);
  return rows;
}
