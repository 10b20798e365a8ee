/*
 * Frames on their way out: from the node's task, through the radio's task, to the driver.
 *
 * The node's task offers; a task of the radio's own, which may wait, calls `sender_step` whenever it is woken and when
 * the time that the step returned is over. So a driver that is slow, out of buffers or being started anew costs the
 * node nothing but a full queue. The send callback, in the Wi-Fi task, calls `sender_completed` and wakes the radio's.
 *
 * The queue is as deep as the simulator's, the frame in flight included: what docs/protocol.md promises of the link was
 * measured with it, and with eight instead of two it misses two of those promises.
 *
 * A frame is expendable, the radio is not: what was in hand when the radio was started anew is abandoned and counted,
 * so that no frame can cause a second restart.
 */
#ifndef SENDER_H
#define SENDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "frame-ring.h"
#include "pacing.h"
#include "peer-table.h"

#define SEND_QUEUE_FRAMES 2
#define SEND_RING_BYTES (SEND_QUEUE_FRAMES * (RECORD_HEADER_BYTES + FRAME_BYTES_MAX) + 1)
/* Nothing is due until somebody wakes the radio's task. */
#define WAIT_FOR_WAKE UINT32_MAX

/* What a driver does for the sender, in the radio's task. Each returns a code of esp-error.h. */
typedef struct {
  int32_t (*add_peer)(const uint8_t *address);
  int32_t (*remove_peer)(const uint8_t *address);
  /* Copies the frame. After 0 the driver calls `sender_completed` once, from any task, possibly before it returns. */
  int32_t (*transmit)(const uint8_t *to, const uint8_t *frame, uint32_t length);
  /* Wi-Fi off and on again. All peers are forgotten. */
  int32_t (*restart)(void);
} sender_driver;

typedef struct {
  /* The driver took it. */
  _Atomic uint32_t sent;
  /* The send callback said: acknowledged, or for everyone's address: transmitted. */
  _Atomic uint32_t delivered;
  /* The send callback said: nobody acknowledged. */
  _Atomic uint32_t failed;
  /* The driver was out of buffers, and was asked again. */
  _Atomic uint32_t no_memory;
  /* The driver refused this very frame. */
  _Atomic uint32_t refused;
  /* In hand or in flight when the radio was started anew. */
  _Atomic uint32_t abandoned;
  _Atomic uint32_t restarts;
  /* The latest code that was not success; 0: none yet. */
  _Atomic int32_t last_error;
} sender_counters;

typedef struct {
  const sender_driver *driver;
  frame_ring ring;
  /* Frames offered and neither completed nor given up. */
  _Atomic uint32_t queued;
  /* Places that came free since the start. */
  _Atomic uint32_t released;
  /* 1: the radio cannot be started any more. It is tried on, and this may become 0 again. */
  _Atomic uint32_t lost;
  sender_counters counters;
  /* The rest is the radio's task's. */
  pacing pacing;
  peer_table peers;
  uint32_t completed_before;
  uint32_t held_bytes;
  frame_label held_label;
  uint8_t held[FRAME_BYTES_MAX];
} sender;

/* Node's task. */
bool sender_full(const sender *sender);
/* Node's task: false when the queue is full. The radio's task has to be woken after it. */
bool sender_offer(sender *sender, const uint8_t *to, const uint8_t *frame, uint32_t length);

/* Wi-Fi task. */
void sender_completed(sender *sender, bool delivered);

/* Radio's task: does what is due, returns for how many milliseconds it may sleep. */
uint32_t sender_step(sender *sender, uint32_t now_ms);

/* While no other task knows the sender. */
void sender_open(sender *sender, const sender_driver *driver);

#endif
