/*
 * The loops over all ids of a set (modules/rbsr/mixing.ts has what they do, and docs/protocol.md the formulas). Plain C
 * without XS, so that a test can run it beside the TypeScript. The caller has checked every bound.
 */
#ifndef MIXING_LOOPS_H
#define MIXING_LOOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FINGERPRINT_CELLS 96
#define BATCH_HEADER_WORDS 3

/* `key`: two words. Replaces each id of from .. to by its mix. */
void mix_all(uint32_t *low, uint32_t *high, const uint32_t *key, size_t from, size_t to);

/* `sums`: xor, sum and count of one fingerprint. `cells`: its sketch. */
void enter_all(const uint32_t *batch, size_t count, uint32_t *sums, uint8_t *cells);

/* `bins`: a power of two of them, at least two. True when two neighbours have one mix. */
bool sort_mixes(uint32_t *positions, uint32_t *tags, uint16_t *items, size_t count);
void mark_bins(const uint32_t *positions, size_t count, uint16_t *bins, size_t bin_count);

#endif
