/*
 * A ring of bytes for frames on their way from one task to another, with one producer and one consumer.
 *
 * | size | field   | meaning                                              |
 * |------|---------|------------------------------------------------------|
 * | 2    | length  | bytes of the frame, little-endian, 1 to 1,470        |
 * | 6    | address | the sender's address, or the receiver's              |
 * | 1    | rssi    | signed, dBm; 0 for a frame to send                   |
 * | n    | frame   |                                                      |
 *
 * Records follow each other without padding and may wrap around the end. So the ring holds as many small frames as
 * their bytes allow. Slots of 1,470 bytes would waste five sixths of the memory on frames of 226.
 *
 * Neither side waits or allocates, so the producer may be the Wi-Fi task. Each index has one writer. The writer
 * publishes the index with release order when it has finished with the bytes; the other side reads the index with
 * acquire order. One byte stays empty, because equal indices mean an empty ring.
 *
 * Refuses a frame that does not fit whole, and counts it. Never overwrites a frame that was not taken yet.
 */
#ifndef FRAME_RING_H
#define FRAME_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ADDRESS_BYTES 6
/* The largest ESP-NOW v2 body. A v1 body has at most 250 bytes. */
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

/* Producer: adds a frame. False when the length is impossible or there is no room; then nothing was taken. */
bool frame_ring_put(frame_ring *ring, const frame_label *label, const uint8_t *frame, uint32_t length);

/* Producer: whether a frame of this length would be refused. The consumer only makes room, so "no" stays true. */
bool frame_ring_full(const frame_ring *ring, uint32_t length);

/* Consumer: how far the ring is filled now. It is a bound for `frame_ring_take`. */
uint32_t frame_ring_end(const frame_ring *ring);

/*
 * Consumer: copies the oldest frame out. `frame` must have room for FRAME_BYTES_MAX. Returns the frame's length; 0 when
 * there is no frame before `end`.
 */
uint32_t frame_ring_take(frame_ring *ring, uint32_t end, frame_label *label, uint8_t *frame);

/* Consumer: forgets all frames in the ring. */
void frame_ring_clear(frame_ring *ring);

#endif
