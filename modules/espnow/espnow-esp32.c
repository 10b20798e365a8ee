/*
 * The radio on an ESP32: ESP-NOW of ESP-IDF v6.0, in station mode without association.
 *
 * The driver's callbacks run in the Wi-Fi task. They copy into a ring or count, post at most one message, and return.
 * All work that may wait, such as the start and stop of Wi-Fi, is done by a task of our own, or by the node's task when
 * it opens the radio. Wi-Fi is stopped in the Wi-Fi task itself: when `esp_wifi_stop` has returned, no callback runs
 * and no callback will run.
 *
 * The radio does not share Wi-Fi: do not use the SDK's Wi-Fi modules beside it.
 */
#include "xsmc.h"
#include "xsHost.h"

#include <string.h>

#include "esp_event.h"
#include "esp_now.h"
#include "esp_wifi.h"
#include "freertos/semphr.h"

#include "esp-error.h"
#include "espnow-driver.h"

#define SAME(name, code, kind, meaning) _Static_assert((name) == (code), #name);
ESP_ERRORS(SAME)
_Static_assert(ESP_NOW_MAX_TOTAL_PEER_NUM == PEERS_MAX, "peers");
_Static_assert(ESP_NOW_MAX_DATA_LEN_V2 == FRAME_BYTES_MAX, "frames");
_Static_assert(ESP_NOW_ETH_ALEN == ADDRESS_BYTES, "addresses");

/*
 * 750 bytes were used while sending and receiving. Nobody measured a restart of Wi-Fi, which also runs on this stack,
 * after each light sleep. Espressif's example starts Wi-Fi on a task with a stack of 3,584 bytes and does little else.
 */
#define TASK_STACK_BYTES 4096
/* Above XS, which has 4, so that a busy node does not delay frames. Far below Wi-Fi, which has 23. */
#define TASK_PRIORITY 5

static const wifi_tx_rate_config_t rates[RATES] = {
  [RATE_1M] = {.phymode = WIFI_PHY_MODE_11B, .rate = WIFI_PHY_RATE_1M_L},
  [RATE_2M] = {.phymode = WIFI_PHY_MODE_11B, .rate = WIFI_PHY_RATE_2M_L},
  [RATE_11M] = {.phymode = WIFI_PHY_MODE_11B, .rate = WIFI_PHY_RATE_11M_L},
  [RATE_6M] = {.phymode = WIFI_PHY_MODE_11G, .rate = WIFI_PHY_RATE_6M},
  [RATE_24M] = {.phymode = WIFI_PHY_MODE_11G, .rate = WIFI_PHY_RATE_24M},
  [RATE_54M] = {.phymode = WIFI_PHY_MODE_11G, .rate = WIFI_PHY_RATE_54M},
  [RATE_LR250K] = {.phymode = WIFI_PHY_MODE_LR, .rate = WIFI_PHY_RATE_LORA_250K},
  [RATE_LR500K] = {.phymode = WIFI_PHY_MODE_LR, .rate = WIFI_PHY_RATE_LORA_500K},
};

static struct {
  radio *radio;
  xsMachine *machine;
  uint32_t opening;
  radio_settings settings;
  TaskHandle_t task;
  StaticSemaphore_t ended_storage;
  SemaphoreHandle_t ended;
  _Atomic uint32_t closing;
} driver;

static void deliver(void *machine, void *opening, uint8_t *message, uint16_t messageLength) {
  (void)message;
  (void)messageLength;
  espnow_deliver(machine, (uint32_t)(uintptr_t)opening);
}

/*
 * The SDK's other function to post waits while the queue is full, and in a release build it waits for ever. This
 * function never waits. FreeRTOS allows its use in a task too: the switch to the node's task then only happens when
 * this task sleeps.
 */
static bool post(void) {
  void *opening = (void *)(uintptr_t)driver.opening;
  if (modMessagePostToMachineFromISR(driver.machine, deliver, opening) == 0) return true;
  radio_not_posted(driver.radio);
  return false;
}

/* Runs in the Wi-Fi task. */
static void received(const esp_now_recv_info_t *info, const uint8_t *data, int length) {
  if (length < 1 || length > FRAME_BYTES_MAX) return;
  frame_label label = {.rssi_dbm = (int8_t)info->rx_ctrl->rssi};
  memcpy(label.address, info->src_addr, ADDRESS_BYTES);
  /* Before the radio's task exists, nothing is to be woken: the task begins with a step. */
  if (radio_heard(driver.radio, &label, data, (uint32_t)length) && !post() && driver.task != NULL) espnow_driver_wake();
}

/* Runs in the Wi-Fi task. */
static void sent(const esp_now_send_info_t *info, esp_now_send_status_t status) {
  (void)info;
  sender_completed(&driver.radio->sender, status == ESP_NOW_SEND_SUCCESS);
  espnow_driver_wake();
}

#define TRY(call)                                                                                                      \
  do {                                                                                                                 \
    const esp_err_t code = (call);                                                                                     \
    if (code != ESP_OK) return code;                                                                                   \
  } while (0)

static esp_err_t start_wifi(void) {
  wifi_init_config_t config = WIFI_INIT_CONFIG_DEFAULT();
  config.nvs_enable = 0;
  TRY(esp_wifi_init(&config));
  TRY(esp_wifi_set_storage(WIFI_STORAGE_RAM));
  TRY(esp_wifi_set_mode(WIFI_MODE_STA));
  TRY(esp_wifi_start());
  /* With power save, Wi-Fi would miss frames. A node that saves power closes the radio. */
  TRY(esp_wifi_set_ps(WIFI_PS_NONE));
  uint8_t protocols = WIFI_PROTOCOL_11B | WIFI_PROTOCOL_11G | WIFI_PROTOCOL_11N;
  if (rates[driver.settings.rate].phymode == WIFI_PHY_MODE_LR) protocols |= WIFI_PROTOCOL_LR;
  TRY(esp_wifi_set_protocol(WIFI_IF_STA, protocols));
  TRY(esp_wifi_set_channel(driver.settings.channel, WIFI_SECOND_CHAN_NONE));
  TRY(esp_now_init());
  TRY(esp_now_register_recv_cb(received));
  return esp_now_register_send_cb(sent);
}

/* Works in any state: a call for a part that was not started only returns an error. */
static void stop_wifi(void) {
  esp_now_unregister_recv_cb();
  esp_now_unregister_send_cb();
  esp_now_deinit();
  esp_wifi_stop();
  esp_wifi_deinit();
}

static int32_t restart(void) {
  stop_wifi();
  const esp_err_t code = start_wifi();
  if (code != ESP_OK) stop_wifi();
  return code;
}

static int32_t add_peer(const uint8_t *address) {
  esp_now_peer_info_t peer = {.channel = driver.settings.channel, .ifidx = WIFI_IF_STA, .encrypt = false};
  memcpy(peer.peer_addr, address, ADDRESS_BYTES);
  const esp_err_t added = esp_now_add_peer(&peer);
  if (added != ESP_OK && added != ESP_ERR_ESPNOW_EXIST) return added;
  esp_now_rate_config_t rate = rates[driver.settings.rate];
  const esp_err_t code = esp_now_set_peer_rate_config(address, &rate);
  if (code != ESP_OK) esp_now_del_peer(address);
  return code;
}

static int32_t remove_peer(const uint8_t *address) {
  return esp_now_del_peer(address);
}

static int32_t transmit(const uint8_t *to, const uint8_t *frame, uint32_t length) {
  return esp_now_send(to, frame, length);
}

static const sender_driver calls = {add_peer, remove_peer, transmit, restart};

static void radio_task(void *unused) {
  (void)unused;
  while (!atomic_load(&driver.closing)) {
    uint32_t wait_ms;
    if (radio_step(driver.radio, modMilliseconds(), &wait_ms) && !post()) wait_ms = POST_RETRY_MS;
    /* One tick more than asked for, because a shorter wait would find the same state again. */
    ulTaskNotifyTake(pdTRUE, wait_ms == WAIT_FOR_WAKE ? portMAX_DELAY : pdMS_TO_TICKS(wait_ms) + 1);
  }
  stop_wifi();
  xSemaphoreGive(driver.ended);
  vTaskDelete(NULL);
}

/*
 * Wi-Fi reports its state to the event loop, so the loop must be there. TCP/IP (`esp_netif_init`) need not: only an
 * interface of it would call it, and ESP-NOW has none. TCP/IP costs 7,580 bytes.
 */
static esp_err_t open_wifi(radio_identity *identity) {
  const esp_err_t loop = esp_event_loop_create_default();
  if (loop != ESP_OK && loop != ESP_ERR_INVALID_STATE) return loop;
  TRY(start_wifi());
  TRY(esp_wifi_get_mac(WIFI_IF_STA, identity->address));
  uint32_t version;
  TRY(esp_now_get_version(&version));
  identity->frame_size_bytes_max = version >= 2 ? ESP_NOW_MAX_DATA_LEN_V2 : ESP_NOW_MAX_DATA_LEN;
  return ESP_OK;
}

int32_t espnow_driver_open(radio *radio, void *machine, uint32_t opening, const radio_settings *settings,
                           radio_identity *identity) {
  driver.radio = radio;
  driver.machine = machine;
  driver.opening = opening;
  driver.settings = *settings;
  driver.task = NULL;
  atomic_store(&driver.closing, 0);
  /* Made once, because the task that gave the semaphore last may still be ending on the other core. */
  if (driver.ended == NULL) driver.ended = xSemaphoreCreateBinaryStatic(&driver.ended_storage);
  radio_open(radio, &calls);
  esp_err_t code = open_wifi(identity);
  if (code == ESP_OK) {
    const BaseType_t made = xTaskCreate(radio_task, "radio", TASK_STACK_BYTES, NULL, TASK_PRIORITY, &driver.task);
    if (made != pdPASS) code = ESP_ERR_NO_MEM;
  }
  if (code != ESP_OK) stop_wifi();
  return code;
}

void espnow_driver_close(void) {
  atomic_store(&driver.closing, 1);
  espnow_driver_wake();
  xSemaphoreTake(driver.ended, portMAX_DELAY);
}

void espnow_driver_wake(void) {
  xTaskNotifyGive(driver.task);
}
