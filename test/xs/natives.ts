/**
 * The firmware imports modules of the SDK and of the board, which exist on no test machine. This table names, for
 * `bundleForXs`, the module that replaces each of them in a test. It also holds the replacements that a board's own
 * manifest makes: CRCs and copies. All other modules are those that ship. The C functions that they call are replaced
 * by test/xs/natives/native.ts.
 */
export const NATIVES: Record<string, string> = {
  timer: "test/xs/natives/timer.ts",
  crc: "test/xs/natives/crc.ts",
  "mc/config": "test/xs/natives/config.ts",
  "embedded:storage/flash": "test/xs/natives/flash.ts",
  "modules/board/board.ts": "test/xs/natives/board.ts",
  "modules/board/image-loader.ts": "test/xs/natives/image-loader.ts",
  "modules/dongle/copy.ts": "modules/board/copy.ts",
  "modules/glacier/crc16.ts": "modules/board/crc16.ts",
  "modules/rbsr/mixing.ts": "modules/board/mixing.ts",
  "modules/store/crc32.ts": "modules/board/crc32.ts",
};
