/*
 * The functions that each machine provides for the radio (espnow-esp32.c, espnow-lin.c), and the function that they
 * call.
 *
 * The driver owns the radio's task and the Wi-Fi, or their replacement on Linux. The node's task opens and closes it.
 * When `espnow_driver_close` has returned, no other task runs our code. Only messages that are in the machine's own
 * queue already can still arrive.
 */
#ifndef ESPNOW_DRIVER_H
#define ESPNOW_DRIVER_H

#include "radio.h"

/* In the order of PHY_RATES in phy.ts. */
typedef enum { RATE_1M, RATE_2M, RATE_11M, RATE_6M, RATE_24M, RATE_54M, RATE_LR250K, RATE_LR500K, RATES } phy_rate;

typedef struct {
  uint8_t channel;
  phy_rate rate;
} radio_settings;

typedef struct {
  uint8_t address[ADDRESS_BYTES];
  /* 250, or 1,470 when the driver takes ESP-NOW v2 bodies. */
  uint32_t frame_size_bytes_max;
} radio_identity;

/*
 * Messages go to `machine`, an xsMachine, and name the `opening`. Each opening has another number. Returns a code of
 * esp-error.h. The radio is open at 0; at any other code nothing stays open.
 */
int32_t espnow_driver_open(radio *radio, void *machine, uint32_t opening, const radio_settings *settings,
                           radio_identity *identity);
void espnow_driver_close(void);
/* Wakes the radio's task, because it has something to do. */
void espnow_driver_wake(void);

/* Called by the driver in the node's task for each posted message. A message of an earlier opening does nothing. */
void espnow_deliver(void *machine, uint32_t opening);

#endif
