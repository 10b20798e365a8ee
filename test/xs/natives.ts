/**
 * The firmware's native faces replaced by the tests' own, as the bundler resolves them. What a board's manifest maps to
 * another file (its CRC) is mapped here too.
 */
import { join, relative, resolve } from "node:path";
import process from "node:process";
import type { Plugin } from "esbuild";

const FACES: Record<string, string> = {
  timer: "test/xs/natives/timer.ts",
  crc: "test/xs/natives/crc.ts",
  "mc/config": "test/xs/natives/config.ts",
  "embedded:storage/flash": "test/xs/natives/flash.ts",
  "modules/board/board.ts": "test/xs/natives/board.ts",
  "modules/espnow/espnow.ts": "test/xs/natives/espnow.ts",
  "modules/glacier/crc16.ts": "modules/board/crc16.ts",
};

/** `others` come first: a test's broken variants. */
export function natives(others: Record<string, string> = {}): Plugin {
  const faces = { ...FACES, ...others };
  return {
    name: "natives",
    setup({ onResolve }) {
      onResolve({ filter: /.*/ }, ({ path, resolveDir }) => {
        const name = path.startsWith(".") ? relative(process.cwd(), join(resolveDir, path)) : path;
        const face = faces[name];
        return face === undefined ? undefined : { path: resolve(face) };
      });
    },
  };
}
