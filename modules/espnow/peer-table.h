/*
 * The addresses that the radio knows as peers, the latest used first.
 *
 * ESP-NOW sends only to addresses that were added, the broadcast address included, and takes 20 addresses. Receiving
 * needs no entry. So an address is added before a frame is sent to it. When the table is full, the address that has not
 * been used for the longest time makes room.
 *
 * This table mirrors the radio's own list. The owner adds and removes an address in the radio first, and here when the
 * radio has confirmed it. Owned by one task.
 */
#ifndef PEER_TABLE_H
#define PEER_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "frame-ring.h"

/* Equals ESP_NOW_MAX_TOTAL_PEER_NUM. */
#define PEERS_MAX 20

typedef struct {
  uint8_t addresses[PEERS_MAX][ADDRESS_BYTES];
  uint8_t count;
} peer_table;

/* True when the address is a peer. It then becomes the latest used. */
bool peer_table_use(peer_table *table, const uint8_t *address);

/* The peer that must be removed before another can be added. NULL while there is room. */
const uint8_t *peer_table_retiring(const peer_table *table);

/* Forgets the peer that `peer_table_retiring` named. */
void peer_table_retire(peer_table *table);

/* Adds an address that is not in the table. The table must have room. */
void peer_table_add(peer_table *table, const uint8_t *address);

void peer_table_clear(peer_table *table);

#endif
