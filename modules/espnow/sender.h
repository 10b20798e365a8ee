/*
 * Frames to send, on their way from the node's task through the radio's task to the driver.
 *
 * The node's task offers frames. The radio's task, which may wait, calls `sender_step` when it is woken and when the
 * time that the last step returned is over. So a driver that is slow, out of buffers or being started anew only fills
 * the node's queue. The send callback, in the Wi-Fi task, calls `sender_completed` and wakes the radio's task.
 *
 * The queue is as deep as the simulator's, the frame in flight included. The link's promises in docs/protocol.md were
 * measured with this depth. With eight places instead of two, the link misses two of the promises.
 *
 * A frame may be lost, the radio may not. When the radio is started anew, the frame in hand is abandoned and counted,
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
/* Nothing is due until another task wakes the radio's task. */
#define WAIT_FOR_WAKE UINT32_MAX

/* The functions of a driver for the sender, called in the radio's task. Each returns a code of esp-error.h. */
typedef struct {
  int32_t (*add_peer)(const uint8_t *address);
  int32_t (*remove_peer)(const uint8_t *address);
  /* Copies the frame. After 0 the driver calls `sender_completed` once, from any task, possibly before it returns. */
  int32_t (*transmit)(const uint8_t *to, const uint8_t *frame, uint32_t length);
  /* Switches Wi-Fi off and on again. The radio forgets all peers. */
  int32_t (*restart)(void);
} sender_driver;

typedef struct {
  /* Frames that the driver took. */
  _Atomic uint32_t sent;
  /* Send callbacks that reported success: acknowledged, or transmitted to the broadcast address. */
  _Atomic uint32_t delivered;
  /* Send callbacks that reported that no radio acknowledged. */
  _Atomic uint32_t failed;
  /* How often the driver was out of buffers. The frame is tried again. */
  _Atomic uint32_t no_memory;
  /* Frames that the driver refused because of the frame itself. */
  _Atomic uint32_t refused;
  /* Frames that were in hand or in flight when the radio was started anew. */
  _Atomic uint32_t abandoned;
  _Atomic uint32_t restarts;
  /* The latest code that was not success. 0: there was none yet. */
  _Atomic int32_t last_error;
} sender_counters;

typedef struct {
  const sender_driver *driver;
  frame_ring ring;
  /* Frames that were offered and are neither completed nor given up. */
  _Atomic uint32_t queued;
  /* How many places became free since the start. */
  _Atomic uint32_t released;
  /* 1: restarts of the radio fail. Restarts are still tried, so this may become 0 again. */
  _Atomic uint32_t lost;
  sender_counters counters;
  /* The rest belongs to the radio's task. */
  pacing pacing;
  peer_table peers;
  uint32_t completed_before;
  uint32_t held_bytes;
  frame_label held_label;
  uint8_t held[FRAME_BYTES_MAX];
} sender;

/* Node's task: whether the queue is full. */
bool sender_full(const sender *sender);
/* Node's task: queues a frame. False when the queue is full. The caller must wake the radio's task after it. */
bool sender_offer(sender *sender, const uint8_t *to, const uint8_t *frame, uint32_t length);

/* Wi-Fi task: the send callback came. */
void sender_completed(sender *sender, bool delivered);

/* Radio's task: does the work that is due, and returns for how many milliseconds the task may sleep. */
uint32_t sender_step(sender *sender, uint32_t now_ms);

/* To be called while no other task knows the sender. */
void sender_open(sender *sender, const sender_driver *driver);

#endif
