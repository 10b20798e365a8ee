/**
 * What stands in a test for what the firmware takes from the SDK, and for the board itself, for `bundleForXs`. What a board's
 * manifest maps to another file, CRCs and copies, is mapped here too. The other faces are those that ship, over the C
 * that test/xs/natives/native.ts stands for.
 */
export const NATIVES: Record<string, string> = {
  timer: "test/xs/natives/timer.ts",
  crc: "test/xs/natives/crc.ts",
  "mc/config": "test/xs/natives/config.ts",
  "embedded:storage/flash": "test/xs/natives/flash.ts",
  "modules/board/board.ts": "test/xs/natives/board.ts",
  "modules/dongle/copy.ts": "modules/board/copy.ts",
  "modules/glacier/crc16.ts": "modules/board/crc16.ts",
  "modules/store/crc32.ts": "modules/board/crc32.ts",
};
