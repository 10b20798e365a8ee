/** Power cuts at every operation (test/store-power.test.ts) on flash that programs other units than four bytes. */
import { everyCutTest } from "./every-cut.ts";

everyCutTest("a store survives a power cut at every operation and during the mount after it, unit 16", {
  programSizeBytes: 16,
});

// No board has these.
for (const programSizeBytes of [1, 8]) {
  everyCutTest(`a store survives a power cut at every operation, unit ${programSizeBytes}`, { programSizeBytes }, 0.4);
}
