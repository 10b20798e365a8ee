/*
 * The node learns of most events by the next frame, but sometimes no frame comes. This program runs radio.c in one
 * thread and checks the two cases in which the radio's step must wake the node: a message could not be posted, and
 * Wi-Fi cannot be started.
 */
#include "check.h"
#include "radio.h"

static uint8_t received_bytes[RECEIVED_RING_BYTES];
static uint8_t send_bytes[SEND_RING_BYTES];
static radio the_radio = RADIO_OF(received_bytes, send_bytes);
static int32_t restart_code;

static int32_t accept_peer(const uint8_t *address) {
  (void)address;
  return 0;
}

static int32_t transmit(const uint8_t *to, const uint8_t *frame, uint32_t length) {
  (void)to, (void)frame, (void)length;
  return 0;
}

static int32_t restart(void) {
  return restart_code;
}

static const sender_driver calls = {accept_peer, accept_peer, transmit, restart};
static const uint8_t frame[] = {1, 2, 3};

static bool step(uint32_t now_ms) {
  uint32_t wait_ms;
  return radio_step(&the_radio, now_ms, &wait_ms);
}

static void owed(void) {
  const frame_label label = {.rssi_dbm = -1};
  frame_label found;
  uint8_t taken[FRAME_BYTES_MAX];
  radio_open(&the_radio, &calls);
  CHECK(!step(0), "the radio posts although nothing has happened");
  CHECK(radio_heard(&the_radio, &label, frame, sizeof frame), "the first frame does not post a message");
  radio_not_posted(&the_radio);
  CHECK(step(1), "a message that could not be posted is forgotten");
  radio_not_posted(&the_radio);
  CHECK(step(2), "a message that could not be posted twice is forgotten");
  CHECK(!step(3), "the radio posts again while a message is under way");
  radio_collect(&the_radio);
  CHECK(radio_take(&the_radio, &found, taken) == sizeof frame, "the node did not find the frame");
  CHECK(!step(4), "the radio posts again after the node has the frame");
}

static void lost(void) {
  const uint8_t everyone[ADDRESS_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  radio_open(&the_radio, &calls);
  restart_code = -1;
  CHECK(sender_offer(&the_radio.sender, everyone, frame, sizeof frame), "an empty queue refuses a frame");
  CHECK(!step(0), "the radio posts while the frame is in flight");
  uint32_t now_ms = SEND_TIMEOUT_MS;
  CHECK(step(now_ms), "the first restart failed, and the radio did not tell of the free place");
  radio_collect(&the_radio);
  for (uint32_t failed = 2; failed < RESTARTS_FAILED_MAX; failed++) {
    CHECK(!step(now_ms += RESTART_RETRY_MS), "the radio posts after failed restart %u", failed);
    CHECK(atomic_load(&the_radio.sender.lost) == 0, "the radio counts as lost after %u failed restarts", failed);
  }
  CHECK(step(now_ms += RESTART_RETRY_MS), "the node is not told that the radio is lost");
  CHECK(atomic_load(&the_radio.sender.lost) == 1, "the radio does not count as lost");
  radio_collect(&the_radio);
  restart_code = 0;
  CHECK(!step(now_ms + RESTART_RETRY_MS), "the radio posts although its restart succeeded");
  CHECK(atomic_load(&the_radio.sender.lost) == 0, "the radio still counts as lost after a restart");
}

int main(void) {
  owed();
  lost();
  puts("2 passed");
  return 0;
}
