/*
 * Runs sender.c with a driver that answers as the script says. The script comes from standard input, a command a line:
 *
 *     answer <call> <code>   the code that add, remove, transmit or restart returns from now on
 *     offer <to> <length>    `to` is the last byte of an address        prints: taken | full
 *     complete <0|1>         the send callback
 *     step <now>             prints the driver's calls, then: wait <milliseconds> | wait for wake
 *     counters               prints all counters
 */
#include <string.h>

#include "check.h"
#include "sender.h"

static uint8_t send_bytes[SEND_RING_BYTES];
static sender the_sender = {.ring = FRAME_RING_OF(send_bytes)};
static int32_t add_code, remove_code, transmit_code, restart_code;

static int32_t add_peer(const uint8_t *address) {
  printf("add %u, ", address[5]);
  return add_code;
}

static int32_t remove_peer(const uint8_t *address) {
  printf("remove %u, ", address[5]);
  return remove_code;
}

static int32_t transmit(const uint8_t *to, const uint8_t *frame, uint32_t length) {
  for (uint32_t i = 0; i < length; i++) CHECK(frame[i] == content(to[5], i), "the frame has a wrong byte %u", i);
  printf("transmit %u to %u, ", length, to[5]);
  return transmit_code;
}

static int32_t restart(void) {
  printf("restart, ");
  return restart_code;
}

static const sender_driver calls = {add_peer, remove_peer, transmit, restart};

static void answer(const char *call, int32_t code) {
  if (strcmp(call, "add") == 0) add_code = code;
  else if (strcmp(call, "remove") == 0) remove_code = code;
  else if (strcmp(call, "transmit") == 0) transmit_code = code;
  else if (strcmp(call, "restart") == 0) restart_code = code;
  else CHECK(false, "the driver has no call %s", call);
}

static void offer(uint8_t to, uint32_t length) {
  uint8_t frame[FRAME_BYTES_MAX];
  const uint8_t address[ADDRESS_BYTES] = {2, 0, 0, 0, 0, to};
  for (uint32_t i = 0; i < length && i < sizeof frame; i++) frame[i] = content(to, i);
  puts(sender_offer(&the_sender, address, frame, length) ? "taken" : "full");
}

int main(void) {
  char command[16], call[16];
  uint32_t number, length;
  int32_t code;
  sender_open(&the_sender, &calls);
  while (scanf("%15s", command) == 1) {
    if (strcmp(command, "answer") == 0 && scanf("%15s %i", call, &code) == 2) answer(call, code);
    else if (strcmp(command, "offer") == 0 && scanf("%u %u", &number, &length) == 2) offer((uint8_t)number, length);
    else if (strcmp(command, "complete") == 0 && scanf("%u", &number) == 1) sender_completed(&the_sender, number == 1);
    else if (strcmp(command, "step") == 0 && scanf("%u", &number) == 1) {
      const uint32_t wait_ms = sender_step(&the_sender, number);
      if (wait_ms == WAIT_FOR_WAKE) puts("wait for wake");
      else printf("wait %u\n", wait_ms);
    } else if (strcmp(command, "counters") == 0) {
      const sender_counters *all = &the_sender.counters;
      printf("sent %u, delivered %u, failed %u, ", all->sent, all->delivered, all->failed);
      printf("no memory %u, refused %u, abandoned %u, ", all->no_memory, all->refused, all->abandoned);
      printf("restarts %u, queued %u, error %#x\n", all->restarts, the_sender.queued, (unsigned int)all->last_error);
    } else CHECK(false, "there is no command %s, or its arguments are wrong", command);
  }
  return 0;
}
