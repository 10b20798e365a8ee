/**
 * What stands for the firmware's native faces in a test, for `bundleForXs`. What a board's manifest maps to another file, its
 * CRC, is mapped here too.
 */
export const NATIVES: Record<string, string> = {
  timer: "test/xs/natives/timer.ts",
  crc: "test/xs/natives/crc.ts",
  "mc/config": "test/xs/natives/config.ts",
  "embedded:storage/flash": "test/xs/natives/flash.ts",
  "modules/board/board.ts": "test/xs/natives/board.ts",
  "modules/espnow/espnow.ts": "test/xs/natives/espnow.ts",
  "modules/glacier/crc16.ts": "modules/board/crc16.ts",
};
