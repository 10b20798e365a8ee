/** Power cuts at every operation (test/store-power.test.ts) on flash that programs sixteen bytes at once. */
import { everyCutTest } from "./every-cut.ts";

everyCutTest("a store survives a power cut at every operation and during the mount after it, unit 16", {
  programSizeBytes: 16,
});

for (const programSizeBytes of [1, 8]) {
  everyCutTest(`a store survives a power cut at every operation, unit ${programSizeBytes}`, { programSizeBytes });
}
