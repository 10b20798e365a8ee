/**
 * The memory of XS for each role (docs/firmware.md, "Memory"). The size is part of an image, so an image is built for a
 * role. manifest.json has the size for a node. A dongle has neither store nor node, so its XS takes half of that, and
 * the rest is for the radio and the line.
 *
 * modules/board/dongle-creation.json has a dongle's size, where the build's hash covers the file. It was measured with
 * `firmware.js lin --memory`: 601 slots, and 33,040 bytes of chunks with frames of 250 bytes. Frames of 1,470 take
 * 6,000 more. Half as much again in slots and a fifth more in chunks is for garbage.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { packageFolder } from "../machine/folders.ts";

/** The part of `creation` in manifest.json that a role may change. Slots of the heap, bytes of chunks. */
export interface Creation {
  chunk: { initial: number; incremental: number };
  heap: { initial: number; incremental: number };
}

export function creationOfDongle(): Creation {
  return JSON.parse(readFileSync(join(packageFolder(), "modules", "board", "dongle-creation.json"), "utf8"));
}

/** The path of the manifest for a role. Where that is not the repository's own manifest, it is made in `output`. */
export function manifestOf(role: unknown, output: string): string {
  if (role !== "dongle") return "./manifest.json";
  // The SDK names its folders after the manifest's, so this one has the repository's name.
  const folder = join(output, "roles", "dongle", basename(packageFolder()));
  mkdirSync(folder, { recursive: true });
  const include = relative(folder, join(packageFolder(), "manifest.json"));
  const manifest = { include, creation: creationOfDongle() };
  writeFileSync(join(folder, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  return relative(packageFolder(), join(folder, "manifest.json"));
}
