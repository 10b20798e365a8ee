/**
 * Application error codes of QUIC streams and connections (docs/distsoc.md, "Connections and streams").
 *
 * Peers receive these codes, so a code may be added but never renumbered. `unknown-type` and `unsupported-type` differ
 * so that a peer knows what to do: learn a newer protocol, or ask another node that implements this type.
 */
export const ERROR_CODES = {
  done: 0x00,
  "unknown-type": 0x01,
  "unsupported-type": 0x02,
  malformed: 0x03,
  "too-large": 0x04,
  refused: 0x05,
  busy: 0x06,
  internal: 0x07,
  "too-slow": 0x08,
  full: 0x09,
  "bad-signature": 0x0a,
  duplicate: 0x0b,
} as const;

export type ErrorName = keyof typeof ERROR_CODES;

const NAMES = new Map<number, string>();
for (const [name, code] of Object.entries(ERROR_CODES)) NAMES.set(code, name);

/** Returns the name of a code, or a text like "code 1234" for a code that is not in the table. */
export function errorName(code: number): string {
  return NAMES.get(code) ?? `code ${code}`;
}
