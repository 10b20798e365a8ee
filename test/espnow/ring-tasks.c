/*
 * Runs frame-ring.c between two threads. Each frame must arrive whole, in order, and once. The ring is so small that it
 * is full or empty most of the time. Arguments: the seed, and the number of frames.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "check.h"
#include "frame-ring.h"

static uint8_t bytes[FRAME_BYTES_MAX + RECORD_HEADER_BYTES + 1];
static frame_ring ring = FRAME_RING_OF(bytes);
static uint32_t seed, frames;

static uint32_t next_length(uint32_t *random) {
  const uint32_t choice = draw(random);
  return choice % 256 == 0 ? FRAME_BYTES_MAX : 1 + choice / 256 % 40;
}

static void *produce(void *unused) {
  (void)unused;
  uint8_t frame[FRAME_BYTES_MAX];
  uint32_t random = seed;
  for (uint32_t number = 0; number < frames; number++) {
    const uint32_t length = next_length(&random);
    frame_label label = {.rssi_dbm = (int8_t)number};
    memcpy(label.address, &number, sizeof number);
    for (uint32_t i = 0; i < length; i++) frame[i] = content(number, i);
    while (frame_ring_full(&ring, length)) sched_yield();
    CHECK(frame_ring_put(&ring, &label, frame, length), "a ring that is not full refuses a frame");
  }
  return NULL;
}

int main(int arguments, char **words) {
  CHECK(arguments == 3, "the arguments must be a seed and a number of frames");
  seed = (uint32_t)strtoul(words[1], NULL, 10) | 1;
  frames = (uint32_t)strtoul(words[2], NULL, 10);
  pthread_t producer;
  pthread_create(&producer, NULL, produce, NULL);
  uint8_t frame[FRAME_BYTES_MAX];
  uint32_t random = seed, empty = 0;
  for (uint32_t number = 0; number < frames;) {
    frame_label label;
    const uint32_t length = frame_ring_take(&ring, frame_ring_end(&ring), &label, frame);
    if (length == 0) {
      empty++;
      sched_yield();
      continue;
    }
    uint32_t named;
    memcpy(&named, label.address, sizeof named);
    CHECK(named == number && label.rssi_dbm == (int8_t)number, "frame %u where %u was expected", named, number);
    CHECK(length == next_length(&random), "frame %u has %u bytes", number, length);
    for (uint32_t i = 0; i < length; i++) CHECK(frame[i] == content(number, i), "byte %u of %u", i, number);
    number++;
  }
  pthread_join(producer, NULL);
  printf("%u frames, %u times empty\n", frames, empty);
  return 0;
}
