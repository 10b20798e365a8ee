#include "frame-ring.h"

#include <string.h>

static uint32_t used(const frame_ring *ring, uint32_t head, uint32_t tail) {
  return head >= tail ? head - tail : head + ring->size - tail;
}

static uint32_t write_at(frame_ring *ring, uint32_t at, const void *bytes, uint32_t count) {
  const uint32_t first = count < ring->size - at ? count : ring->size - at;
  memcpy(ring->bytes + at, bytes, first);
  memcpy(ring->bytes, (const uint8_t *)bytes + first, count - first);
  return at + count < ring->size ? at + count : at + count - ring->size;
}

static uint32_t read_at(const frame_ring *ring, uint32_t at, void *bytes, uint32_t count) {
  const uint32_t first = count < ring->size - at ? count : ring->size - at;
  memcpy(bytes, ring->bytes + at, first);
  memcpy((uint8_t *)bytes + first, ring->bytes, count - first);
  return at + count < ring->size ? at + count : at + count - ring->size;
}

bool frame_ring_full(const frame_ring *ring, uint32_t length) {
  const uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
  const uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
  return RECORD_HEADER_BYTES + length > ring->size - 1 - used(ring, head, tail);
}

bool frame_ring_put(frame_ring *ring, const frame_label *label, const uint8_t *frame, uint32_t length) {
  if (length < 1 || length > FRAME_BYTES_MAX || frame_ring_full(ring, length)) {
    atomic_fetch_add_explicit(&ring->refused, 1, memory_order_relaxed);
    return false;
  }
  const uint8_t size[2] = {(uint8_t)length, (uint8_t)(length >> 8)};
  uint32_t at = atomic_load_explicit(&ring->head, memory_order_relaxed);
  at = write_at(ring, at, size, sizeof size);
  at = write_at(ring, at, label->address, ADDRESS_BYTES);
  at = write_at(ring, at, &label->rssi_dbm, 1);
  at = write_at(ring, at, frame, length);
  atomic_store_explicit(&ring->head, at, memory_order_release);
  return true;
}

uint32_t frame_ring_end(const frame_ring *ring) {
  return atomic_load_explicit(&ring->head, memory_order_acquire);
}

uint32_t frame_ring_take(frame_ring *ring, uint32_t end, frame_label *label, uint8_t *frame) {
  uint32_t at = atomic_load_explicit(&ring->tail, memory_order_relaxed);
  if (at == end) return 0;
  uint8_t size[2];
  at = read_at(ring, at, size, sizeof size);
  const uint32_t length = size[0] | (uint32_t)size[1] << 8;
  at = read_at(ring, at, label->address, ADDRESS_BYTES);
  at = read_at(ring, at, &label->rssi_dbm, 1);
  at = read_at(ring, at, frame, length);
  atomic_store_explicit(&ring->tail, at, memory_order_release);
  return length;
}

void frame_ring_clear(frame_ring *ring) {
  atomic_store_explicit(&ring->tail, frame_ring_end(ring), memory_order_release);
}
