/** Checks modules/board/settings-copy.ts against test/vectors/settings.json, in code that runs on any engine. */
import { holding, readCopy, writeCopy } from "../../modules/board/settings-copy.ts";
import { fromHex, toHex } from "./hex.ts";

// biome-ignore lint/suspicious/noExplicitAny: a vector is whatever its file says; a wrong name fails its check
type Vector = any;

interface Checks {
  same(vector: Vector, actual: unknown, expected: unknown): void;
}

const text = (settings: Record<string, string>): string =>
  Object.keys(settings)
    .sort()
    .map((key) => `${key}=${settings[key]}`)
    .join("\n");

export function checkSettings(vectors: Vector, checks: Checks): void {
  const copies = new Map<string, string>();
  for (const vector of vectors.valid) {
    const { sequence, settings, copy } = vector;
    copies.set(vector.name, copy);
    const backwards = Object.keys(settings)
      .reverse()
      .map((key) => ({ key, value: settings[key] }));
    checks.same(vector, toHex(writeCopy(sequence, backwards)), copy);
    const found = readCopy(fromHex(copy));
    checks.same(vector, `${found.state} ${found.sequence}`, `whole ${sequence}`);
    checks.same(vector, found.lines.map(({ key, value }) => `${key}=${value}`).join("\n"), text(settings));
  }
  for (const vector of vectors.invalid) {
    copies.set(vector.name, vector.copy);
    const { state, sequence, lines } = readCopy(fromHex(vector.copy));
    checks.same(vector, `${state} ${sequence} ${lines.length}`, `${vector.reason} 0 0`);
  }
  for (const vector of vectors.partitions) {
    const found = vector.copies.map((name: string) => readCopy(fromHex(copies.get(name)!)));
    checks.same(vector, holding(found), vector.holds ?? -1);
  }
}
