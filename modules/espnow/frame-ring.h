/*
 * Frames on their way from one task to another: a ring of bytes with one producer and one consumer.
 *
 * | size | field   | meaning                                              |
 * |------|---------|------------------------------------------------------|
 * | 2    | length  | bytes of the frame, little-endian, 1 to 1,470        |
 * | 6    | address | where it came from, or where it goes                 |
 * | 1    | rssi    | signed, dBm; 0 on the way out                        |
 * | n    | frame   |                                                      |
 *
 * Records follow each other without padding and may wrap around the end, so that the ring holds as many small frames
 * as their bytes allow: slots of 1,470 bytes would waste five sixths of the memory on frames of 226.
 *
 * Neither side waits or allocates, so the producer may be the Wi-Fi task. Each index has one writer, which publishes
 * it with release order after it is done with the bytes; the other side reads it with acquire order. One byte stays
 * empty: equal indices mean an empty ring.
 *
 * It refuses a frame that does not fit whole, and counts it. It never overwrites what was not yet taken.
 */
#ifndef FRAME_RING_H
#define FRAME_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ADDRESS_BYTES 6
/* ESP-NOW v2; v1 stops at 250. */
#define FRAME_BYTES_MAX 1470
#define RECORD_HEADER_BYTES (2 + ADDRESS_BYTES + 1)

typedef struct {
  uint8_t address[ADDRESS_BYTES];
  int8_t rssi_dbm;
} frame_label;

typedef struct {
  uint8_t *bytes;
  uint32_t size;
  /* Where the producer writes next. */
  _Atomic uint32_t head;
  /* Where the consumer reads next. */
  _Atomic uint32_t tail;
  _Atomic uint32_t refused;
} frame_ring;

#define FRAME_RING_OF(storage) {.bytes = (storage), .size = sizeof(storage)}

/* Producer. False: the length is impossible or there is no room, and nothing was taken. */
bool frame_ring_put(frame_ring *ring, const frame_label *label, const uint8_t *frame, uint32_t length);

/* Producer: would a frame of this length be refused? The consumer can only make room, so "no" stays true. */
bool frame_ring_full(const frame_ring *ring, uint32_t length);

/* Consumer: how far the ring is filled now; a bound for `frame_ring_take`. */
uint32_t frame_ring_end(const frame_ring *ring);

/*
 * Consumer: copies the oldest frame out, `frame` having room for FRAME_BYTES_MAX. Returns its length; 0: there is none
 * before `end`.
 */
uint32_t frame_ring_take(frame_ring *ring, uint32_t end, frame_label *label, uint8_t *frame);

/* Consumer: forgets what it holds. */
void frame_ring_clear(frame_ring *ring);

#endif
