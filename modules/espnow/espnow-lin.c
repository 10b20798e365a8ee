/*
 * The radio on Linux: the firmware on a desk, over UDP multicast that never leaves this machine.
 *
 * A channel is a port. Every program that joined the group on the loopback interface receives all its datagrams. They
 * have the format of hosts/radio/air-datagram.ts, so a Node program can join the same air
 * (hosts/radio/multicast-radio.ts):
 *
 * | offset | size | field | meaning                                   |
 * |--------|------|-------|-------------------------------------------|
 * | 0      | 1    | kind  | 1, a frame; others are dropped            |
 * | 1      | 6    | from  | the sending radio's address               |
 * | 7      | 6    | to    | the receiver's, all ones for every radio  |
 * | 13     | n    | frame | 1 to 1,470 bytes                          |
 *
 * One thread replaces the Wi-Fi task and the radio's task. A frame occupies its sender for as long as it would take on
 * air at the chosen rate (docs/simulator.md, "Airtime"), but it occupies no neighbour. There are no collisions here,
 * and every frame counts as delivered, received or not. The address is THROWIE_RADIO_ADDRESS, twelve hexadecimal
 * digits. Without it the address is random.
 *
 * Refuses datagrams that do not come from a loopback address.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "espnow-driver.h"

#define AIR_GROUP "239.255.84.104"
#define AIR_PORT_BASE 47000
#define LOOPBACK_NET 127
#define KIND_FRAME 1
#define HEADER_BYTES (1 + 2 * ADDRESS_BYTES)
/* After this many datagrams in a row, the sender does a step. */
#define BURST_DATAGRAMS 64

/* Codes of esp-error.h. */
#define CODE_FAILED (-1)
#define CODE_NO_MEMORY 0x101
#define CODE_BAD_ADDRESS 0x10B

static const struct {
  uint32_t kilobits;
  /* Preamble, and the mean wait for a free channel. */
  uint32_t fixed_us;
} rates[RATES] = {
  [RATE_1M] = {1000, 552},     [RATE_2M] = {2000, 552},   [RATE_11M] = {11000, 552},  [RATE_6M] = {6000, 122},
  [RATE_24M] = {24000, 122},   [RATE_54M] = {54000, 122}, [RATE_LR250K] = {250, 552}, [RATE_LR500K] = {500, 552},
};

static struct {
  radio *radio;
  void *machine;
  uint32_t opening;
  radio_settings settings;
  radio_identity identity;
  GMainContext *context;
  pthread_mutex_t mutex;
  /* The message that is posted and not delivered yet, guarded by the mutex. */
  GSource *message;
  pthread_t thread;
  int wake;
  _Atomic uint32_t closing;
  /* Once the thread runs, the rest belongs to it. */
  int socket;
  bool on_air;
  uint64_t on_air_until_us;
} driver = {.mutex = PTHREAD_MUTEX_INITIALIZER, .wake = -1, .socket = -1};

static uint64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static gboolean deliver(gpointer opening) {
  pthread_mutex_lock(&driver.mutex);
  g_clear_pointer(&driver.message, g_source_unref);
  pthread_mutex_unlock(&driver.mutex);
  espnow_deliver(driver.machine, GPOINTER_TO_UINT(opening));
  return G_SOURCE_REMOVE;
}

static void post(void) {
  GSource *message = g_idle_source_new();
  g_source_set_priority(message, G_PRIORITY_DEFAULT);
  g_source_set_callback(message, deliver, GUINT_TO_POINTER(driver.opening), NULL);
  pthread_mutex_lock(&driver.mutex);
  driver.message = message;
  g_source_attach(message, driver.context);
  pthread_mutex_unlock(&driver.mutex);
}

static struct sockaddr_in air(void) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_port = htons((uint16_t)(AIR_PORT_BASE + driver.settings.channel));
  inet_pton(AF_INET, AIR_GROUP, &address.sin_addr);
  return address;
}

static int32_t open_socket(void) {
  const int one = 1, never_routed = 0;
  const struct sockaddr_in group = air();
  const struct ip_mreqn membership = {.imr_multiaddr = group.sin_addr, .imr_address.s_addr = htonl(INADDR_LOOPBACK)};
  driver.socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (driver.socket < 0) return CODE_FAILED;
  const bool joined =
    setsockopt(driver.socket, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
    setsockopt(driver.socket, IPPROTO_IP, IP_MULTICAST_IF, &membership, sizeof membership) == 0 &&
    setsockopt(driver.socket, IPPROTO_IP, IP_MULTICAST_LOOP, &one, sizeof one) == 0 &&
    setsockopt(driver.socket, IPPROTO_IP, IP_MULTICAST_TTL, &never_routed, sizeof never_routed) == 0 &&
    setsockopt(driver.socket, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof membership) == 0 &&
    bind(driver.socket, (const struct sockaddr *)&group, sizeof group) == 0;
  if (joined) return 0;
  close(driver.socket);
  driver.socket = -1;
  return CODE_FAILED;
}

static int32_t restart(void) {
  if (driver.socket >= 0) close(driver.socket);
  driver.on_air = false;
  return open_socket();
}

static int32_t accept_peer(const uint8_t *address) {
  (void)address;
  return 0;
}

static uint32_t air_us(uint32_t length) {
  const uint32_t bytes = length + 36 + 7 * ((length + 249) / 250);
  return rates[driver.settings.rate].fixed_us + bytes * 8000 / rates[driver.settings.rate].kilobits;
}

static int32_t transmit(const uint8_t *to, const uint8_t *frame, uint32_t length) {
  uint8_t datagram[HEADER_BYTES + FRAME_BYTES_MAX];
  const struct sockaddr_in group = air();
  datagram[0] = KIND_FRAME;
  memcpy(datagram + 1, driver.identity.address, ADDRESS_BYTES);
  memcpy(datagram + 1 + ADDRESS_BYTES, to, ADDRESS_BYTES);
  memcpy(datagram + HEADER_BYTES, frame, length);
  if (sendto(driver.socket, datagram, HEADER_BYTES + length, 0, (const struct sockaddr *)&group, sizeof group) < 0) {
    return errno == EAGAIN || errno == ENOBUFS ? CODE_NO_MEMORY : CODE_FAILED;
  }
  driver.on_air = true;
  driver.on_air_until_us = now_us() + air_us(length);
  return 0;
}

static const sender_driver calls = {accept_peer, accept_peer, transmit, restart};

static bool for_us(const uint8_t *datagram) {
  static const uint8_t everyone[ADDRESS_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  const uint8_t *from = datagram + 1, *to = datagram + 1 + ADDRESS_BYTES, *own = driver.identity.address;
  if (memcmp(from, own, ADDRESS_BYTES) == 0) return false;
  return memcmp(to, own, ADDRESS_BYTES) == 0 || memcmp(to, everyone, ADDRESS_BYTES) == 0;
}

/* False when no datagram is left. */
static bool receive_one(void) {
  /* One byte more than the longest frame, so that a longer datagram is recognised. */
  uint8_t datagram[HEADER_BYTES + FRAME_BYTES_MAX + 1];
  struct sockaddr_in source;
  socklen_t source_bytes = sizeof source;
  const ssize_t bytes =
    recvfrom(driver.socket, datagram, sizeof datagram, 0, (struct sockaddr *)&source, &source_bytes);
  if (bytes < 0) return false;
  if (ntohl(source.sin_addr.s_addr) >> 24 != LOOPBACK_NET) return true;
  if (bytes <= HEADER_BYTES || bytes == sizeof datagram || datagram[0] != KIND_FRAME || !for_us(datagram)) return true;
  /* As strong as a near neighbour's frame. */
  frame_label label = {.rssi_dbm = -40};
  memcpy(label.address, datagram + 1, ADDRESS_BYTES);
  if (radio_heard(driver.radio, &label, datagram + HEADER_BYTES, (uint32_t)(bytes - HEADER_BYTES))) post();
  return true;
}

static void wait_for_work(uint32_t wait_ms) {
  const uint64_t now = now_us();
  uint64_t wait_us = wait_ms == WAIT_FOR_WAKE ? UINT64_MAX : (uint64_t)wait_ms * 1000;
  if (driver.on_air) {
    const uint64_t left_us = driver.on_air_until_us > now ? driver.on_air_until_us - now : 0;
    if (left_us < wait_us) wait_us = left_us;
  }
  const struct timespec limit = {.tv_sec = (time_t)(wait_us / 1000000), .tv_nsec = (long)(wait_us % 1000000) * 1000};
  struct pollfd sources[] = {{.fd = driver.wake, .events = POLLIN}, {.fd = driver.socket, .events = POLLIN}};
  ppoll(sources, 2, wait_us == UINT64_MAX ? NULL : &limit, NULL);
  uint64_t wakes;
  if ((sources[0].revents & POLLIN) && read(driver.wake, &wakes, sizeof wakes) < 0) return;
}

static void *run(void *unused) {
  (void)unused;
  while (!atomic_load(&driver.closing)) {
    if (driver.on_air && now_us() >= driver.on_air_until_us) {
      driver.on_air = false;
      sender_completed(&driver.radio->sender, true);
    }
    uint32_t wait_ms;
    if (radio_step(driver.radio, (uint32_t)(now_us() / 1000), &wait_ms)) post();
    wait_for_work(wait_ms);
    for (int i = 0; i < BURST_DATAGRAMS && receive_one(); i++) continue;
  }
  return NULL;
}

static int32_t choose_address(uint8_t *address) {
  const char *chosen = getenv("THROWIE_RADIO_ADDRESS");
  if (chosen == NULL) {
    if (getrandom(address, ADDRESS_BYTES, 0) != ADDRESS_BYTES) return CODE_FAILED;
    address[0] = 0x02; /* Locally administered, unicast. */
    return 0;
  }
  if (strlen(chosen) != 2 * ADDRESS_BYTES) return CODE_BAD_ADDRESS;
  for (int i = 0; i < ADDRESS_BYTES; i++) {
    const gint high = g_ascii_xdigit_value(chosen[2 * i]), low = g_ascii_xdigit_value(chosen[2 * i + 1]);
    if (high < 0 || low < 0) return CODE_BAD_ADDRESS;
    address[i] = (uint8_t)(high << 4 | low);
  }
  return 0;
}

static void close_descriptors(void) {
  if (driver.socket >= 0) close(driver.socket);
  if (driver.wake >= 0) close(driver.wake);
  driver.socket = driver.wake = -1;
}

int32_t espnow_driver_open(radio *radio, void *machine, uint32_t opening, const radio_settings *settings,
                           radio_identity *identity) {
  const int32_t chosen = choose_address(driver.identity.address);
  if (chosen != 0) return chosen;
  driver.identity.frame_size_bytes_max = FRAME_BYTES_MAX;
  *identity = driver.identity;
  driver.radio = radio;
  driver.machine = machine;
  driver.opening = opening;
  driver.settings = *settings;
  driver.context = g_main_context_get_thread_default();
  driver.on_air = false;
  atomic_store(&driver.closing, 0);
  radio_open(radio, &calls);
  driver.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  const bool opened = driver.wake >= 0 && open_socket() == 0 && pthread_create(&driver.thread, NULL, run, NULL) == 0;
  if (!opened) close_descriptors();
  return opened ? 0 : CODE_FAILED;
}

void espnow_driver_close(void) {
  atomic_store(&driver.closing, 1);
  espnow_driver_wake();
  pthread_join(driver.thread, NULL);
  close_descriptors();
  pthread_mutex_lock(&driver.mutex);
  if (driver.message != NULL) g_source_destroy(driver.message);
  g_clear_pointer(&driver.message, g_source_unref);
  pthread_mutex_unlock(&driver.mutex);
}

void espnow_driver_wake(void) {
  const uint64_t one = 1;
  if (write(driver.wake, &one, sizeof one) < 0) return; /* The counter is full, so the thread is awake. */
}
