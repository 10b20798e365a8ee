/**
 * The shape of what the loops of mixing.ts take, the same in TypeScript and in C (modules/board/mixing-loops.h). It has
 * a file of its own because a board replaces mixing.ts.
 */

/** The number of counters in a fingerprint's sketch. With 96 the estimate has a relative spread of one seventh. */
export const FINGERPRINT_CELLS = 96;
/** The words of a batch before its ids: two of the key, and the direction, 1 or -1. */
export const BATCH_HEADER_WORDS = 3;
