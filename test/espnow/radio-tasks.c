/*
 * Three tasks of a board share radio.c without locks: the node's, the radio's and Wi-Fi's. This program runs them as
 * three threads.
 *
 * Wi-Fi receives numbered frames in bursts, and waits after each burst until the node has taken all of its frames. If a
 * message to the node were forgotten, the node would never take them. The program detects that at once, because it
 * compares the number of messages posted with the number handled.
 *
 * Meanwhile the node sends numbered frames, and Wi-Fi completes them. In both directions each frame must arrive whole,
 * in order, and once. Arguments: the seed, and the number of frames each way.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>

#include "check.h"
#include "radio.h"

static uint8_t received_bytes[RECEIVED_RING_BYTES];
static uint8_t send_bytes[SEND_RING_BYTES];
static radio the_radio = RADIO_OF(received_bytes, send_bytes);

static uint32_t seed, frames;
static sem_t messages, radio_wakes;
static _Atomic uint32_t posted, handled, heard, node_had, on_air, ended;
static uint32_t transmitted;

static uint32_t length_of(uint32_t number) {
  uint32_t random = seed ^ (number + 1) * 2654435761u;
  if (random == 0) random = 1;
  const uint32_t choice = draw(&random);
  return choice % 64 == 0 ? FRAME_BYTES_MAX : 4 + choice / 64 % 60;
}

static void fill(uint8_t *frame, uint32_t number) {
  const uint32_t length = length_of(number);
  for (uint32_t i = 4; i < length; i++) frame[i] = content(number, i);
  memcpy(frame, &number, sizeof number);
}

static void compare(const char *way, const uint8_t *frame, uint32_t length, uint32_t number) {
  uint32_t named;
  memcpy(&named, frame, sizeof named);
  CHECK(named == number, "%s: frame %u where %u was expected", way, named, number);
  CHECK(length == length_of(number), "%s: frame %u has %u bytes", way, number, length);
  for (uint32_t i = 4; i < length; i++) CHECK(frame[i] == content(number, i), "%s: byte %u of %u", way, i, number);
}

static void post(void) {
  atomic_fetch_add(&posted, 1);
  sem_post(&messages);
}

static int32_t accept_peer(const uint8_t *address) {
  (void)address;
  return 0;
}

static int32_t transmit(const uint8_t *to, const uint8_t *frame, uint32_t length) {
  (void)to;
  CHECK(atomic_exchange(&on_air, 1) == 0, "two frames in flight");
  compare("out", frame, length, transmitted++);
  return 0;
}

static int32_t restart(void) {
  CHECK(false, "the sender restarts the radio although nothing is stuck");
  return 0;
}

static const sender_driver calls = {accept_peer, accept_peer, transmit, restart};

static void complete_frame_on_air(void) {
  if (atomic_exchange(&on_air, 0) == 0) return;
  sender_completed(&the_radio.sender, true);
  sem_post(&radio_wakes);
}

static void *wifi_task(void *unused) {
  (void)unused;
  uint8_t frame[FRAME_BYTES_MAX];
  uint32_t random = seed;
  while (atomic_load(&ended) == 0) {
    const uint32_t burst = 1 + draw(&random) % (draw(&random) % 16 == 0 ? 400 : 4);
    for (uint32_t i = 0; i < burst && atomic_load(&heard) < frames; i++) {
      const uint32_t number = atomic_load(&heard);
      fill(frame, number);
      const frame_label label = {.rssi_dbm = -1};
      const uint32_t refused = atomic_load(&the_radio.received.refused);
      if (radio_heard(&the_radio, &label, frame, length_of(number))) post();
      if (atomic_load(&the_radio.received.refused) != refused) break; /* Full: the next burst tries again. */
      atomic_fetch_add(&heard, 1);
      /* The node sometimes takes the first frame of a burst before the last one is here. Long bursts fill the ring. */
      if (burst <= 4 && draw(&random) % 4 == 0) sched_yield();
    }
    complete_frame_on_air();
    while (atomic_load(&node_had) != atomic_load(&heard) && atomic_load(&ended) == 0) {
      /* This order is needed: a task raises the flag before it posts, and the node lowers it before it counts. */
      if (atomic_load(&the_radio.posted) == 0) {
        const uint32_t all = atomic_load(&posted);
        if (atomic_load(&handled) == all) {
          CHECK(atomic_load(&node_had) == atomic_load(&heard), "frames wait, but no message is under way");
        }
      }
      complete_frame_on_air();
      sched_yield();
    }
  }
  return NULL;
}

static void *radio_task(void *unused) {
  (void)unused;
  while (atomic_load(&ended) == 0) {
    uint32_t wait_ms;
    if (radio_step(&the_radio, 0, &wait_ms)) post();
    sem_wait(&radio_wakes);
  }
  return NULL;
}

static void *node_task(void *unused) {
  (void)unused;
  uint8_t frame[FRAME_BYTES_MAX];
  const uint8_t everyone[ADDRESS_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  uint32_t offered = 0, places = 0;
  while (atomic_load(&node_had) < frames || atomic_load(&the_radio.sender.released) < frames) {
    while (offered < frames && !sender_full(&the_radio.sender)) {
      fill(frame, offered);
      CHECK(sender_offer(&the_radio.sender, everyone, frame, length_of(offered)), "the queue has room but refuses");
      offered++;
      sem_post(&radio_wakes);
    }
    sem_wait(&messages);
    places += radio_collect(&the_radio);
    frame_label label;
    uint32_t length;
    while ((length = radio_take(&the_radio, &label, frame)) > 0) {
      CHECK(label.rssi_dbm == -1, "the RSSI is %d dBm", label.rssi_dbm);
      compare("in", frame, length, atomic_load(&node_had));
      atomic_fetch_add(&node_had, 1);
    }
    atomic_fetch_add(&handled, 1);
  }
  CHECK(places > 0, "the node was never told of a free place");
  atomic_store(&ended, 1);
  sem_post(&radio_wakes);
  return NULL;
}

int main(int arguments, char **words) {
  CHECK(arguments == 3, "the arguments must be a seed and a number of frames");
  seed = (uint32_t)strtoul(words[1], NULL, 10) | 1;
  frames = (uint32_t)strtoul(words[2], NULL, 10);
  sem_init(&messages, 0, 0);
  sem_init(&radio_wakes, 0, 0);
  radio_open(&the_radio, &calls);
  pthread_t tasks[3];
  void *(*const starts[])(void *) = {wifi_task, radio_task, node_task};
  for (int i = 0; i < 3; i++) pthread_create(&tasks[i], NULL, starts[i], NULL);
  for (int i = 0; i < 3; i++) pthread_join(tasks[i], NULL);
  const sender_counters *counters = &the_radio.sender.counters;
  CHECK(atomic_load(&counters->sent) == frames && atomic_load(&counters->delivered) == frames,
        "sent %u, delivered %u", atomic_load(&counters->sent), atomic_load(&counters->delivered));
  CHECK(atomic_load(&posted) <= 2 * frames, "%u messages for %u frames", atomic_load(&posted), 2 * frames);
  printf("%u frames each way, %u messages, %u found the ring full\n", frames, atomic_load(&posted),
         atomic_load(&the_radio.received.refused));
  return 0;
}
