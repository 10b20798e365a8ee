/**
 * The firmware's TypeScript reaches its C through XS's `native` and `Native`, and a test has no C of the board. This
 * file replaces both. Here the name of a C function leads to a function in TypeScript that keeps the same contract. So
 * a test runs the TypeScript that ships. test/natives.test.ts compares the names with those of the C.
 */
import { BYTES } from "./bytes.ts";
import { ESPNOW } from "./espnow.ts";
import { MIXING } from "./mixing.ts";
import { SERIAL } from "./serial.ts";

export const FUNCTIONS: Record<string, unknown> = { ...BYTES, ...MIXING, ...ESPNOW, ...SERIAL };

/** Replaces modules/board/headroom-esp32.c, whose figures a test machine does not have. */
const HEADROOM = { xs_board_headroom: () => "memory: 50000 bytes free, 40000 at the least" };

function native(name: string): unknown {
  const known = { ...FUNCTIONS, ...HEADROOM }[name];
  if (known === undefined) throw new Error(`test/xs/natives has no function ${name}; add it`);
  return known;
}

/** No object needs a destructor here, because the end of a life drops all of its objects. */
function Native(): new () => object {
  return class {};
}

Object.assign(globalThis, { native, Native });
