/*
 * The radio's error codes: for each a name as in Espressif's documents, a meaning in plain words, and the sender's
 * reaction.
 *
 * The table has every code that the headers of ESP-IDF v6.0 name for esp_now_* and esp_wifi_*, and the general codes
 * that these functions may pass on. The numbers are written out so that this compiles on any machine; espnow-esp32.c
 * asserts that each equals the header's. A code that is not in the table has the name "an error without a name".
 */
#ifndef ESP_ERROR_H
#define ESP_ERROR_H

#include <stdint.h>

typedef enum {
  /* The call worked. */
  ERROR_NONE,
  /* The radio is out of buffers for now: try again soon. */
  ERROR_LATER,
  /* This frame cannot be sent: drop it and go on. */
  ERROR_FRAME,
  /* The radio is in an unexpected state: start it anew. */
  ERROR_RADIO,
} error_kind;

#define ESP_ERRORS(X)                                                                                                  \
  X(ESP_OK, 0, ERROR_NONE, "no error")                                                                                 \
  X(ESP_FAIL, -1, ERROR_RADIO, "the Wi-Fi driver failed and gave no cause")                                            \
  X(ESP_ERR_NO_MEM, 0x101, ERROR_LATER, "out of memory")                                                               \
  X(ESP_ERR_INVALID_ARG, 0x102, ERROR_FRAME, "an argument is out of range: see channel and rate")                      \
  X(ESP_ERR_INVALID_STATE, 0x103, ERROR_RADIO, "this cannot be done in the driver's present state")                    \
  X(ESP_ERR_INVALID_SIZE, 0x104, ERROR_FRAME, "a size is out of range")                                                \
  X(ESP_ERR_NOT_FOUND, 0x105, ERROR_RADIO, "the requested item was not found")                                         \
  X(ESP_ERR_NOT_SUPPORTED, 0x106, ERROR_RADIO, "this chip or this build cannot do that")                               \
  X(ESP_ERR_TIMEOUT, 0x107, ERROR_RADIO, "the driver did not answer in time")                                          \
  X(ESP_ERR_INVALID_RESPONSE, 0x108, ERROR_RADIO, "the driver's answer makes no sense")                                \
  X(ESP_ERR_INVALID_CRC, 0x109, ERROR_RADIO, "a checksum is wrong")                                                    \
  X(ESP_ERR_INVALID_VERSION, 0x10A, ERROR_RADIO, "a version is wrong")                                                 \
  X(ESP_ERR_INVALID_MAC, 0x10B, ERROR_FRAME, "a MAC address is not valid")                                             \
  X(ESP_ERR_NOT_FINISHED, 0x10C, ERROR_LATER, "an operation has not finished")                                         \
  X(ESP_ERR_NOT_ALLOWED, 0x10D, ERROR_RADIO, "an operation is not allowed")                                            \
  X(ESP_ERR_WIFI_NOT_INIT, 0x3001, ERROR_RADIO, "Wi-Fi is not initialized")                                            \
  X(ESP_ERR_WIFI_NOT_STARTED, 0x3002, ERROR_RADIO, "Wi-Fi is not started")                                             \
  X(ESP_ERR_WIFI_NOT_STOPPED, 0x3003, ERROR_RADIO, "Wi-Fi is not stopped")                                             \
  X(ESP_ERR_WIFI_IF, 0x3004, ERROR_RADIO, "the Wi-Fi interface is wrong")                                              \
  X(ESP_ERR_WIFI_MODE, 0x3005, ERROR_RADIO, "the Wi-Fi mode is wrong: another module may be using Wi-Fi")              \
  X(ESP_ERR_WIFI_STATE, 0x3006, ERROR_RADIO, "the internal state of Wi-Fi is wrong")                                   \
  X(ESP_ERR_WIFI_CONN, 0x3007, ERROR_RADIO, "the station's control block is wrong")                                    \
  X(ESP_ERR_WIFI_NVS, 0x3008, ERROR_RADIO, "Wi-Fi cannot use its part of flash, the nvs partition")                    \
  X(ESP_ERR_WIFI_MAC, 0x3009, ERROR_FRAME, "a MAC address is not valid")                                               \
  X(ESP_ERR_WIFI_SSID, 0x300A, ERROR_RADIO, "a network name is not valid")                                             \
  X(ESP_ERR_WIFI_PASSWORD, 0x300B, ERROR_RADIO, "a network password is not valid")                                     \
  X(ESP_ERR_WIFI_TIMEOUT, 0x300C, ERROR_RADIO, "Wi-Fi did not answer in time")                                         \
  X(ESP_ERR_WIFI_WAKE_FAIL, 0x300D, ERROR_RADIO, "Wi-Fi sleeps and does not wake up")                                  \
  X(ESP_ERR_WIFI_WOULD_BLOCK, 0x300E, ERROR_LATER, "Wi-Fi is busy, and the call would wait")                           \
  X(ESP_ERR_WIFI_NOT_CONNECT, 0x300F, ERROR_RADIO, "the station is not connected")                                     \
  X(ESP_ERR_WIFI_POST, 0x3012, ERROR_RADIO, "the Wi-Fi task takes no more events")                                     \
  X(ESP_ERR_WIFI_INIT_STATE, 0x3013, ERROR_RADIO, "Wi-Fi was initialized or ended at the wrong time")                  \
  X(ESP_ERR_WIFI_STOP_STATE, 0x3014, ERROR_RADIO, "Wi-Fi is just stopping")                                            \
  X(ESP_ERR_WIFI_NOT_ASSOC, 0x3015, ERROR_RADIO, "Wi-Fi is not associated")                                            \
  X(ESP_ERR_WIFI_TX_DISALLOW, 0x3016, ERROR_LATER, "Wi-Fi may not transmit now")                                       \
  X(ESP_ERR_WIFI_TWT_FULL, 0x3017, ERROR_RADIO, "no flow is free for target wake time")                                \
  X(ESP_ERR_WIFI_TWT_SETUP_TIMEOUT, 0x3018, ERROR_RADIO, "target wake time: no answer")                                \
  X(ESP_ERR_WIFI_TWT_SETUP_TXFAIL, 0x3019, ERROR_RADIO, "target wake time: the request was not sent")                  \
  X(ESP_ERR_WIFI_TWT_SETUP_REJECT, 0x301A, ERROR_RADIO, "target wake time: the request was refused")                   \
  X(ESP_ERR_WIFI_DISCARD, 0x301B, ERROR_FRAME, "Wi-Fi discarded the frame")                                            \
  X(ESP_ERR_WIFI_ROC_IN_PROGRESS, 0x301C, ERROR_LATER, "Wi-Fi is on another channel for a moment")                     \
  X(ESP_ERR_ESPNOW_NOT_INIT, 0x3065, ERROR_RADIO, "ESP-NOW is not initialized")                                        \
  X(ESP_ERR_ESPNOW_ARG, 0x3066, ERROR_FRAME, "ESP-NOW does not accept this argument")                                  \
  X(ESP_ERR_ESPNOW_NO_MEM, 0x3067, ERROR_LATER, "ESP-NOW is out of buffers")                                           \
  X(ESP_ERR_ESPNOW_FULL, 0x3068, ERROR_RADIO, "ESP-NOW has no room for another peer")                                  \
  X(ESP_ERR_ESPNOW_NOT_FOUND, 0x3069, ERROR_RADIO, "ESP-NOW does not know this peer")                                  \
  X(ESP_ERR_ESPNOW_INTERNAL, 0x306A, ERROR_RADIO, "ESP-NOW had an internal error")                                     \
  X(ESP_ERR_ESPNOW_EXIST, 0x306B, ERROR_NONE, "ESP-NOW knows this peer already")                                       \
  X(ESP_ERR_ESPNOW_IF, 0x306C, ERROR_RADIO, "ESP-NOW's interface is not the peer's")                                   \
  X(ESP_ERR_ESPNOW_CHAN, 0x306D, ERROR_RADIO, "the channel is not the peer's: another module may have changed it")

error_kind esp_error_kind(int32_t code);
const char *esp_error_name(int32_t code);
const char *esp_error_meaning(int32_t code);

#endif
