/*
 * The radio between three tasks: what the native binding, espnow-binding.c, holds on every machine.
 *
 * | task   | on a board                           | on Linux        | calls                                      |
 * |--------|--------------------------------------|-----------------|--------------------------------------------|
 * | node's | the one that runs XS                 | the GLib loop   | offer, full, collect, take                 |
 * | radio's| one of ours, just above the node's   | a thread        | step                                       |
 * | Wi-Fi  | Espressif's, above all others        | the same thread | heard, sent; never waits, never touches XS |
 *
 * What the other two have for the node waits in the received ring and in counters; the node's task learns of it by one
 * message. A flag says that a message is under way, so that a burst of frames costs one place in the machine's queue,
 * which has ten. Whoever is told `true` posts it.
 *
 * A message hands over what was there when it came: what arrives during the handling posts anew, so that the node's
 * other work is never starved by a busy air.
 */
#ifndef RADIO_H
#define RADIO_H

#include "frame-ring.h"
#include "sender.h"

/*
 * 104 frames of 226 bytes, or 16 of 1,470: at 1 Mbit/s a node may be busy with something else for 280 ms.
 * Slots of 1,470 bytes for as many small frames would take 150 KB.
 */
#define RECEIVED_RING_BYTES (24 * 1024)

typedef struct {
  frame_ring received;
  sender sender;
  /* 1: a message to the node is under way. */
  _Atomic uint32_t posted;
  /* 1: a message was due, and the machine's queue was full. */
  _Atomic uint32_t owed;
  /* The rest is the node's. */
  uint32_t received_end;
  uint32_t released_seen;
} radio;

#define RADIO_OF(received_storage, send_storage)                                                                       \
  {.received = FRAME_RING_OF(received_storage), .sender = {.ring = FRAME_RING_OF(send_storage)}}

/* While no other task knows the radio. */
void radio_open(radio *radio, const sender_driver *driver);

/* Wi-Fi task. True: post a message. */
bool radio_heard(radio *radio, const frame_label *label, const uint8_t *frame, uint32_t length);

/* Radio's task: does what is due, and sets for how long it may sleep. True: post a message. */
bool radio_step(radio *radio, uint32_t now_ms, uint32_t *wait_ms);

/* When the machine's queue was full, so that it may have room again. */
#define POST_RETRY_MS 1
/*
 * Whoever should have posted and could not. The next frame or place tries again; so does the radio's next step, which is
 * due in POST_RETRY_MS.
 */
void radio_not_posted(radio *radio);

/* Node's task, first thing when the message came. True: a place in the send queue came free. */
bool radio_collect(radio *radio);

/* Node's task: the oldest frame of those that were here at `radio_collect`. 0: no more. */
uint32_t radio_take(radio *radio, frame_label *label, uint8_t *frame);

/* Frames of the largest size that can wait for the node. */
uint32_t radio_queue_frames(uint32_t frame_size_bytes_max);

#endif
