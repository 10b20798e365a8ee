/*
 * Compares frame-ring.c with a plain list, in one thread. The frames have all lengths, impossible ones too, and the
 * ring wraps at every position. Arguments: the seed, and the number of operations.
 */
#include <string.h>

#include "check.h"
#include "frame-ring.h"

#define LISTED_MAX 4096

static struct {
  uint32_t number, length;
} listed[LISTED_MAX];
static uint32_t first, count, bytes_used;

int main(int arguments, char **words) {
  CHECK(arguments == 3, "the arguments must be a seed and a number of operations");
  uint32_t random = (uint32_t)strtoul(words[1], NULL, 10);
  const unsigned long operations = strtoul(words[2], NULL, 10);
  const uint32_t size = 5000;
  /* Each buffer is allocated alone, so that AddressSanitizer guards the byte after its end. */
  frame_ring ring = {.bytes = malloc(size), .size = size};
  uint8_t *frame = malloc(FRAME_BYTES_MAX + 1);
  uint8_t *taken = malloc(FRAME_BYTES_MAX);
  unsigned long refused = 0, passed = 0;
  static const uint32_t special[] = {0, 1, 2, 226, 250, 1469, 1470, 1471, 65535, 65536, 0x80000000u, 0xffffffffu};

  for (uint32_t number = 0; number < operations; number++) {
    const uint32_t choice = draw(&random);
    if (choice % 2 == 0) {
      const uint32_t length = choice % 8 == 0 ? special[choice / 8 % 12] : 1 + choice / 8 % 300;
      for (uint32_t i = 0; i < length && i <= FRAME_BYTES_MAX; i++) frame[i] = content(number, i);
      frame_label label = {.rssi_dbm = (int8_t)number};
      memcpy(label.address, &number, sizeof number);
      const bool possible = length >= 1 && length <= FRAME_BYTES_MAX;
      const bool fits = possible && bytes_used + RECORD_HEADER_BYTES + length <= size - 1;
      if (possible) CHECK(frame_ring_full(&ring, length) == !fits, "%u bytes, %u used", length, bytes_used);
      CHECK(frame_ring_put(&ring, &label, frame, length) == fits, "%u bytes, %u used", length, bytes_used);
      if (fits) {
        listed[(first + count) % LISTED_MAX].number = number;
        listed[(first + count++) % LISTED_MAX].length = length;
        bytes_used += RECORD_HEADER_BYTES + length;
      } else {
        refused++;
      }
    } else if (choice % 1024 == 1) {
      frame_ring_clear(&ring);
      count = bytes_used = 0;
    } else {
      frame_label label;
      const uint32_t length = frame_ring_take(&ring, frame_ring_end(&ring), &label, taken);
      CHECK(length == (count > 0 ? listed[first].length : 0), "the ring gives %u bytes", length);
      if (length == 0) continue;
      uint32_t named;
      memcpy(&named, label.address, sizeof named);
      CHECK(named == listed[first].number && label.rssi_dbm == (int8_t)named, "the ring gives frame %u", named);
      for (uint32_t i = 0; i < length; i++) CHECK(taken[i] == content(named, i), "byte %u of %u", i, named);
      bytes_used -= RECORD_HEADER_BYTES + length;
      first = (first + 1) % LISTED_MAX;
      count--;
      passed++;
    }
  }
  CHECK(atomic_load(&ring.refused) == refused, "the ring counts %u refused", atomic_load(&ring.refused));
  printf("%lu passed, %lu refused\n", passed, refused);
  free(ring.bytes);
  free(frame);
  free(taken);
  return 0;
}
