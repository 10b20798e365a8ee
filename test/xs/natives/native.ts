/**
 * Stands for XS's own `native` and `Native`, by which a face in TypeScript reaches the C beneath it: here the name of a C function
 * gives the test's, which keeps the same contract. So the faces that a test runs are those that ship. test/natives.test.ts
 * compares the names.
 */
import { BYTES } from "./bytes.ts";
import { ESPNOW } from "./espnow.ts";
import { SERIAL } from "./serial.ts";

export const FUNCTIONS: Record<string, unknown> = { ...BYTES, ...ESPNOW, ...SERIAL };

function native(name: string): unknown {
  const known = FUNCTIONS[name];
  if (known === undefined) throw new Error(`no native ${name}`);
  return known;
}

/** Nothing is destructed: a life's end takes all. */
function Native(): new () => object {
  return class {};
}

Object.assign(globalThis, { native, Native });
