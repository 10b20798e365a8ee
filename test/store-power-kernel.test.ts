/**
 * A host's store lies in a file. When the machine loses power, the kernel may have written any of the writes since the
 * last sync (docs/store.md).
 */
import { everyCutTest } from "./every-cut.ts";

everyCutTest("Drops reported as stored survive a kernel that loses and reorders the writes since the last sync", {
  programSizeBytes: 4,
  reordered: true,
});
