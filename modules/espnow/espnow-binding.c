/*
 * The native half of espnow.ts, the same on a board and on Linux. Everything here runs in the node's task.
 *
 * There is one Wi-Fi, so there is one static radio with its rings. Nothing is allocated while the radio is open. The
 * counters run on from one opening to the next. Closing is idempotent; a closed radio receives nothing and is full. A
 * message that was posted before the radio was closed names another opening than the present one, so its delivery does
 * nothing.
 */
#include "xsmc.h"

#include <stdio.h>
#include <string.h>

#include "esp-error.h"
#include "espnow-driver.h"

static uint8_t received_bytes[RECEIVED_RING_BYTES];
static uint8_t send_bytes[SEND_RING_BYTES];
static radio the_radio = RADIO_OF(received_bytes, send_bytes);

static struct {
  /* Odd while the radio is open. */
  uint32_t opening;
  radio_identity identity;
  xsSlot object;
  xsSlot *wake;
} node;

void xs_espnow_destructor(void *data);
static void mark(xsMachine *the, void *data, xsMarkRoot markRoot);
static const xsHostHooks hooks = {xs_espnow_destructor, mark, NULL};

void xs_espnow_destructor(void *data) {
  if (data == NULL) return;
  espnow_driver_close();
  node.opening++;
}

static void mark(xsMachine *the, void *data, xsMarkRoot markRoot) {
  (void)data;
  markRoot(the, node.wake);
}

static bool is_open(xsMachine *the) {
  return xsmcGetHostData(xsThis) != NULL;
}

/* (channel, rate, address: 6 bytes to fill, wake: (room) => void) -> the largest frame in bytes. */
void xs_espnow_open(xsMachine *the) {
  if (node.opening % 2 == 1) xsUnknownError("espnow: the radio is open already; close it first");
  const radio_settings settings = {
    .channel = (uint8_t)xsmcToInteger(xsArg(0)),
    .rate = (phy_rate)xsmcToInteger(xsArg(1)),
  };
  void *address;
  xsUnsignedValue address_bytes;
  xsmcGetBufferWritable(xsArg(2), &address, &address_bytes);
  if (address_bytes != ADDRESS_BYTES) xsRangeError("espnow: an address is 6 bytes");
  xsSlot *wake = xsmcToReference(xsArg(3));

  radio_identity identity;
  const int32_t code = espnow_driver_open(&the_radio, the, node.opening + 1, &settings, &identity);
  if (code != 0) {
    xsUnknownError("espnow: %s (%d): %s", esp_error_name(code), (int)code, esp_error_meaning(code));
  }
  node.opening++;
  node.identity = identity;
  node.wake = wake;
  node.object = xsThis;
  xsmcSetHostData(xsThis, &node);
  xsSetHostHooks(xsThis, (xsHostHooks *)&hooks);
  xsRemember(node.object);
  memcpy(address, identity.address, ADDRESS_BYTES);
  xsmcSetInteger(xsResult, (xsIntegerValue)identity.frame_size_bytes_max);
}

void xs_espnow_close(xsMachine *the) {
  if (!is_open(the)) return;
  xsForget(node.object);
  xs_espnow_destructor(&node);
  xsmcSetHostData(xsThis, NULL);
  xsmcSetHostDestructor(xsThis, NULL);
}

/* (frameBytesMax) -> how many frames of this size can wait for the node. */
void xs_espnow_queue_frames(xsMachine *the) {
  xsmcSetInteger(xsResult, (xsIntegerValue)radio_queue_frames((uint32_t)xsmcToInteger(xsArg(0))));
}

void xs_espnow_full(xsMachine *the) {
  xsmcSetBoolean(xsResult, !is_open(the) || sender_full(&the_radio.sender));
}

/* (frame, length, to) -> whether the frame was taken. */
void xs_espnow_send(xsMachine *the) {
  void *frame, *to;
  xsUnsignedValue frame_bytes, to_bytes;
  const xsIntegerValue length = xsmcToInteger(xsArg(1));
  xsmcGetBufferReadable(xsArg(0), &frame, &frame_bytes);
  xsmcGetBufferReadable(xsArg(2), &to, &to_bytes);
  if (to_bytes != ADDRESS_BYTES) xsRangeError("espnow: an address is 6 bytes");
  if (length < 1 || (xsUnsignedValue)length > frame_bytes || (uint32_t)length > node.identity.frame_size_bytes_max) {
    xsRangeError("espnow: a frame is 1 to frameSizeBytesMax bytes");
  }
  const bool taken = is_open(the) && sender_offer(&the_radio.sender, to, frame, (uint32_t)length);
  if (taken) espnow_driver_wake();
  xsmcSetBoolean(xsResult, taken);
}

/* (frame: FRAME_BYTES_MAX bytes to fill, label: 7 bytes to fill) -> the frame's length; 0 when no frame is left. */
void xs_espnow_take(xsMachine *the) {
  void *frame, *label;
  xsUnsignedValue frame_bytes, label_bytes;
  xsmcGetBufferWritable(xsArg(0), &frame, &frame_bytes);
  xsmcGetBufferWritable(xsArg(1), &label, &label_bytes);
  if (frame_bytes < FRAME_BYTES_MAX || label_bytes != sizeof(frame_label)) xsRangeError("espnow: buffers");
  xsmcSetInteger(xsResult, is_open(the) ? (xsIntegerValue)radio_take(&the_radio, label, frame) : 0);
}

/* (numbers: the bytes of a Uint32Array to fill, in the order of COUNTERS in espnow.ts). */
void xs_espnow_count(xsMachine *the) {
  sender_counters *counters = &the_radio.sender.counters;
  _Atomic uint32_t *const all[] = {
    &counters->sent,      &counters->delivered, &counters->failed,   &counters->no_memory,
    &counters->refused,   &counters->abandoned, &counters->restarts, &the_radio.received.refused,
  };
  void *numbers;
  xsUnsignedValue bytes;
  xsmcGetBufferWritable(xsArg(0), &numbers, &bytes);
  if (bytes != sizeof all / sizeof all[0] * sizeof(uint32_t)) xsRangeError("espnow: counters");
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    const uint32_t value = atomic_load(all[i]);
    memcpy((uint8_t *)numbers + i * sizeof value, &value, sizeof value);
  }
}

/* -> the latest error in words, or undefined. */
void xs_espnow_last_error(xsMachine *the) {
  const int32_t code = atomic_load(&the_radio.sender.counters.last_error);
  if (code == 0) return;
  char text[128];
  snprintf(text, sizeof text, "%s (%d): %s", esp_error_name(code), (int)code, esp_error_meaning(code));
  xsmcSetString(xsResult, text);
}

void espnow_deliver(void *machine, uint32_t opening) {
  xsMachine *the = machine;
  if (opening != node.opening || opening % 2 == 0) return;
  xsBeginHost(the);
  xsmcSetBoolean(xsResult, radio_collect(&the_radio));
  /* Nothing catches this error: the board restarts, and Wi-Fi with it, which could not be started otherwise. */
  if (atomic_load(&the_radio.sender.lost) == 1) {
    const int32_t code = atomic_load(&the_radio.sender.counters.last_error);
    xsUnknownError("espnow: Wi-Fi does not start again: %s (%d)", esp_error_name(code), (int)code);
  }
  xsCallFunction1(xsReference(node.wake), node.object, xsResult);
  xsEndHost(the);
}
