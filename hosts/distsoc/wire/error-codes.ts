/**
 * Application error codes of QUIC streams and connections (docs/distsoc.md, "Connections and streams").
 *
 * They are on the wire: add, never renumber. The first two of the refusals differ so that a peer can tell "learn a newer
 * protocol" from "ask someone who implements this".
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

/** The name of a code, which a peer may have invented: then "code 1234". */
export function errorName(code: number): string {
  return NAMES.get(code) ?? `code ${code}`;
}
