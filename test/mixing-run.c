/*
 * Runs the board's loops over ids (modules/board/mixing-loops.c) for test/mixing.test.ts. Standard input: words, namely
 * two of the key, the direction, the number of bins, the number of ids, and the ids. Standard output: the mixes in
 * order of their ids; the mixes sorted; then the bins, whether there are repeats, and the fingerprint.
 */
#include "mixing-loops.h"

#include <stdio.h>
#include <string.h>

#define IDS_MAX 1000

static void print(const char *name, const uint32_t *words, size_t count) {
  printf("%s", name);
  for (size_t i = 0; i < count; i++) printf(" %u", (unsigned)words[i]);
  printf("\n");
}

int main(void) {
  uint32_t head[5];
  if (fread(head, 4, 5, stdin) != 5) return 1;
  size_t count = head[4], bins_count = head[3];
  if (count > IDS_MAX || bins_count > IDS_MAX) return 1;
  uint32_t ids[2 * IDS_MAX], low[IDS_MAX], high[IDS_MAX], batch[BATCH_HEADER_WORDS + 2 * IDS_MAX], wide[IDS_MAX];
  uint16_t items[IDS_MAX], bins[IDS_MAX];
  uint32_t sums[3] = { 0 };
  uint8_t cells[FINGERPRINT_CELLS / 2] = { 0 };
  if (fread(ids, 8, count, stdin) != count) return 1;
  memcpy(batch, head, 12);
  memcpy(batch + 3, ids, 8 * count);
  for (size_t i = 0; i < count; i++) {
    low[i] = ids[2 * i];
    high[i] = ids[2 * i + 1];
    items[i] = (uint16_t)i;
  }
  mix_all(low, high, head, 0, count);
  print("low", low, count);
  print("high", high, count);
  uint32_t repeats = sort_mixes(low, high, items, count);
  mark_bins(low, count, bins, bins_count);
  print("positions", low, count);
  print("tags", high, count);
  for (size_t i = 0; i < bins_count; i++) wide[i] = bins[i];
  print("bins", wide, bins_count);
  print("repeats", &repeats, 1);
  enter_all(batch, count, sums, cells);
  print("sums", sums, 3);
  for (size_t i = 0; i < sizeof cells; i++) wide[i] = cells[i];
  print("cells", wide, sizeof cells);
  return 0;
}
