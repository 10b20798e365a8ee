#include "radio.h"

/* Reads and writes in one step on both sides, so the second of two tasks sees what the first did before. */
static bool first_to_post(radio *radio) {
  return atomic_exchange(&radio->posted, 1) == 0;
}

void radio_open(radio *radio, const sender_driver *driver) {
  frame_ring_clear(&radio->received);
  sender_open(&radio->sender, driver);
  atomic_store(&radio->posted, 0);
  atomic_store(&radio->owed, 0);
  radio->received_end = frame_ring_end(&radio->received);
  radio->released_seen = atomic_load(&radio->sender.released);
}

bool radio_heard(radio *radio, const frame_label *label, const uint8_t *frame, uint32_t length) {
  return frame_ring_put(&radio->received, label, frame, length) && first_to_post(radio);
}

bool radio_step(radio *radio, uint32_t now_ms, uint32_t *wait_ms) {
  const uint32_t released = atomic_load(&radio->sender.released);
  *wait_ms = sender_step(&radio->sender, now_ms);
  /* If another task has posted an owed message meanwhile, the message comes twice. The second one does nothing. */
  const bool owed = atomic_exchange(&radio->owed, 0) == 1;
  const bool news = atomic_load(&radio->sender.released) != released || atomic_load(&radio->sender.lost) == 1;
  return (owed || news) && first_to_post(radio);
}

void radio_not_posted(radio *radio) {
  /* In this order, so that a task that sees the flag lowered also finds the owed message. */
  atomic_store(&radio->owed, 1);
  atomic_store(&radio->posted, 0);
}

bool radio_collect(radio *radio) {
  atomic_exchange(&radio->posted, 0);
  radio->received_end = frame_ring_end(&radio->received);
  const uint32_t released = atomic_load(&radio->sender.released);
  const bool room = released != radio->released_seen;
  radio->released_seen = released;
  return room;
}

uint32_t radio_take(radio *radio, frame_label *label, uint8_t *frame) {
  return frame_ring_take(&radio->received, radio->received_end, label, frame);
}

uint32_t radio_queue_frames(uint32_t frame_size_bytes_max) {
  return (RECEIVED_RING_BYTES - 1) / (RECORD_HEADER_BYTES + frame_size_bytes_max);
}
