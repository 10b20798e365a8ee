/*
 * What a machine brings for the radio (espnow-esp32.c, espnow-lin.c), and what it calls.
 *
 * The driver owns the radio's task and the Wi-Fi, or what stands for it. It is opened and closed by the node's task;
 * once `espnow_driver_close` has returned, no other task runs our code, and no message comes but what the machine's own
 * queue still holds.
 */
#ifndef ESPNOW_DRIVER_H
#define ESPNOW_DRIVER_H

#include "radio.h"

/* The order of PHY_RATES in phy.ts. */
typedef enum { RATE_1M, RATE_2M, RATE_11M, RATE_6M, RATE_24M, RATE_54M, RATE_LR250K, RATE_LR500K, RATES } phy_rate;

typedef struct {
  uint8_t channel;
  phy_rate rate;
} radio_settings;

typedef struct {
  uint8_t address[ADDRESS_BYTES];
  /* 250, or 1,470 where the driver takes ESP-NOW v2 bodies. */
  uint32_t frame_size_bytes_max;
} radio_identity;

/*
 * Messages go to `machine`, an xsMachine, and name the `opening`, which differs from one to the next. Returns a code of
 * esp-error.h; nothing stays open but at 0.
 */
int32_t espnow_driver_open(radio *radio, void *machine, uint32_t opening, const radio_settings *settings,
                           radio_identity *identity);
void espnow_driver_close(void);
/* The radio's task has something to do. */
void espnow_driver_wake(void);

/* Called by the driver in the node's task for each message posted. A message of an earlier opening does nothing. */
void espnow_deliver(void *machine, uint32_t opening);

#endif
