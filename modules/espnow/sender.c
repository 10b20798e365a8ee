#include "sender.h"

#include <string.h>

#include "esp-error.h"

static void count(_Atomic uint32_t *counter) {
  atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* The sum wraps as its parts do. Only its change matters. */
static uint32_t completed(const sender *sender) {
  return atomic_load(&sender->counters.delivered) + atomic_load(&sender->counters.failed);
}

void sender_open(sender *sender, const sender_driver *driver) {
  sender->driver = driver;
  frame_ring_clear(&sender->ring);
  atomic_store(&sender->queued, 0);
  atomic_store(&sender->lost, 0);
  pacing_restarted(&sender->pacing, 0, true);
  peer_table_clear(&sender->peers);
  sender->held_bytes = 0;
}

bool sender_full(const sender *sender) {
  return atomic_load(&sender->queued) >= SEND_QUEUE_FRAMES;
}

bool sender_offer(sender *sender, const uint8_t *to, const uint8_t *frame, uint32_t length) {
  if (sender_full(sender)) return false;
  frame_label label = {.rssi_dbm = 0};
  memcpy(label.address, to, ADDRESS_BYTES);
  atomic_fetch_add(&sender->queued, 1);
  if (frame_ring_put(&sender->ring, &label, frame, length)) return true;
  atomic_fetch_sub(&sender->queued, 1);
  return false;
}

void sender_completed(sender *sender, bool delivered) {
  atomic_fetch_add(delivered ? &sender->counters.delivered : &sender->counters.failed, 1);
}

/* Frees a place in the queue. */
static void release(sender *sender) {
  atomic_fetch_sub(&sender->queued, 1);
  count(&sender->released);
}

/* Keeps the radio's list and our table equal, whichever call fails. */
static int32_t ensure_peer(sender *sender, const uint8_t *address) {
  if (peer_table_use(&sender->peers, address)) return 0;
  const uint8_t *retiring = peer_table_retiring(&sender->peers);
  if (retiring != NULL) {
    const int32_t code = sender->driver->remove_peer(retiring);
    if (esp_error_kind(code) != ERROR_NONE) return code;
    peer_table_retire(&sender->peers);
  }
  const int32_t code = sender->driver->add_peer(address);
  if (esp_error_kind(code) == ERROR_NONE) peer_table_add(&sender->peers, address);
  return code;
}

static int32_t transmit_held(sender *sender) {
  const int32_t code = ensure_peer(sender, sender->held_label.address);
  if (esp_error_kind(code) != ERROR_NONE) return code;
  /* Read before the call, because the send callback may come before the call returns. */
  sender->completed_before = completed(sender);
  return sender->driver->transmit(sender->held_label.address, sender->held, sender->held_bytes);
}

static void send_held(sender *sender, uint32_t now_ms) {
  const int32_t code = transmit_held(sender);
  if (code != 0) atomic_store(&sender->counters.last_error, code);
  switch (esp_error_kind(code)) {
    case ERROR_NONE:
      count(&sender->counters.sent);
      pacing_taken(&sender->pacing, now_ms);
      sender->held_bytes = 0;
      return;
    case ERROR_LATER:
      count(&sender->counters.no_memory);
      pacing_no_memory(&sender->pacing, now_ms);
      return;
    case ERROR_FRAME:
      count(&sender->counters.refused);
      sender->held_bytes = 0;
      release(sender);
      return;
    case ERROR_RADIO:
      pacing_broken(&sender->pacing);
      return;
  }
}

static void restart(sender *sender, uint32_t now_ms) {
  if (sender->held_bytes > 0 || sender->pacing.state == PACING_IN_FLIGHT) {
    count(&sender->counters.abandoned);
    sender->held_bytes = 0;
    release(sender);
  }
  count(&sender->counters.restarts);
  peer_table_clear(&sender->peers);
  const int32_t code = sender->driver->restart();
  if (code != 0) atomic_store(&sender->counters.last_error, code);
  pacing_restarted(&sender->pacing, now_ms, code == 0);
  atomic_store(&sender->lost, pacing_lost(&sender->pacing));
}

uint32_t sender_step(sender *sender, uint32_t now_ms) {
  for (;;) {
    if (sender->pacing.state == PACING_IN_FLIGHT && completed(sender) != sender->completed_before) {
      pacing_completed(&sender->pacing);
      release(sender);
    }
    uint32_t wait_ms = WAIT_FOR_WAKE;
    switch (pacing_decide(&sender->pacing, now_ms, &wait_ms)) {
      case PACING_WAIT:
        return wait_ms;
      case PACING_RESTART:
        restart(sender, now_ms);
        break;
      case PACING_SEND:
        if (sender->held_bytes == 0) {
          const uint32_t end = frame_ring_end(&sender->ring);
          sender->held_bytes = frame_ring_take(&sender->ring, end, &sender->held_label, sender->held);
        }
        if (sender->held_bytes == 0) return WAIT_FOR_WAKE;
        send_held(sender, now_ms);
        break;
    }
  }
}
