/** `throwie recover`: write all that can be saved of a damaged store to a new file. */

import { countOf } from "../machine/count-of.ts";
import { harmlessJson, harmlessLine } from "../machine/harmless.ts";
import { createWhole } from "../machine/new-file.ts";
import { note, print } from "../machine/standard-streams.ts";
import { openRemains } from "../store/drop-store.ts";
import { salvage } from "../store/salvage.ts";
import { refuseTaken } from "../store/store-file.ts";
import { tellDamage } from "./damage.ts";

export async function recoverStore(path: string, options: { to?: string; json?: boolean }): Promise<void> {
  const to = options.to ?? `${path}.recovered`;
  if (to === "") throw new RangeError("The name after --to is empty: name a new file.");
  const opened = await openRemains(path);
  refuseTaken(to);
  const { offsetBytes } = opened;
  if (offsetBytes > 0)
    note(
      harmlessLine(`throwie: The store in ${path} begins at byte ${offsetBytes}, as in a copy of a whole flash chip.`),
    );
  const { bytes, saved, damaged } = salvage(opened.store, opened.sizeBytes);
  const report = tellDamage(path, opened, damaged);
  if (saved === 0) throw new Error(`There is no Drop in ${path} that can be saved: no file was written.`);
  createWhole(to, bytes, (sentence) => note(harmlessLine(`throwie: ${sentence}`)));
  if (options.json) print(harmlessJson({ store: path, to, saved, ...report }));
  else {
    print(harmlessLine(`Saved ${countOf(saved, "Drop")} of ${path} in ${to}. The old file was not changed.`));
    print("To use the new file, name it with --store, or move it to where the old one is.");
  }
}
