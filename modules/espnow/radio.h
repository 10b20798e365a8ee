/*
 * The radio between three tasks. espnow-binding.c, the native binding, holds one on every machine.
 *
 * | task   | on a board                           | on Linux        | calls                                      |
 * |--------|--------------------------------------|-----------------|--------------------------------------------|
 * | node's | the task that runs XS                | the GLib loop   | offer, full, collect, take                 |
 * | radio's| a task of ours, just above the node's| a thread        | step                                       |
 * | Wi-Fi  | Espressif's, above all others        | the same thread | heard, sent; never waits, never touches XS |
 *
 * Frames and news for the node wait in the received ring and in counters. One message tells the node's task about all
 * of them. A flag says that a message is posted, so a burst of frames takes one place in the machine's queue, which has
 * ten. A function here that returns true asks its caller to post the message.
 *
 * A message hands over only what was there when it came. A frame that arrives during the handling posts another
 * message. So a busy air never starves the node's other work.
 */
#ifndef RADIO_H
#define RADIO_H

#include "frame-ring.h"
#include "sender.h"

/*
 * Holds 104 frames of 226 bytes, or 16 of 1,470. So at 1 Mbit/s a node may be busy with other work for 280 ms. Slots of
 * 1,470 bytes for as many small frames would take 150 KB.
 */
#define RECEIVED_RING_BYTES (24 * 1024)

typedef struct {
  frame_ring received;
  sender sender;
  /* 1: a message to the node is posted and not delivered yet. */
  _Atomic uint32_t posted;
  /* 1: a message was due, but the machine's queue was full. */
  _Atomic uint32_t owed;
  /* The rest belongs to the node's task. */
  uint32_t received_end;
  uint32_t released_seen;
} radio;

#define RADIO_OF(received_storage, send_storage)                                                                       \
  {.received = FRAME_RING_OF(received_storage), .sender = {.ring = FRAME_RING_OF(send_storage)}}

/* To be called while no other task knows the radio. */
void radio_open(radio *radio, const sender_driver *driver);

/* Wi-Fi task: a frame was received. True: post a message. */
bool radio_heard(radio *radio, const frame_label *label, const uint8_t *frame, uint32_t length);

/* Radio's task: does the work that is due, and sets how long the task may sleep. True: post a message. */
bool radio_step(radio *radio, uint32_t now_ms, uint32_t *wait_ms);

/* How long to wait when the machine's queue was full. It may have room then. */
#define POST_RETRY_MS 1
/*
 * To be called when a message could not be posted. The next frame or free place tries again, and so does the radio's
 * next step, which is due in POST_RETRY_MS.
 */
void radio_not_posted(radio *radio);

/* Node's task: to be called first when the message came. True: the send queue has a free place again. */
bool radio_collect(radio *radio);

/* Node's task: takes the oldest frame that was here at `radio_collect`. 0: there are no more. */
uint32_t radio_take(radio *radio, frame_label *label, uint8_t *frame);

/* How many frames of the largest size can wait for the node. */
uint32_t radio_queue_frames(uint32_t frame_size_bytes_max);

#endif
