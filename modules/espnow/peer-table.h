/*
 * Which addresses the radio knows as peers, the latest used first.
 *
 * ESP-NOW sends only to addresses that were added, everyone's included, and takes 20. Receiving needs no entry. So an
 * address is added when something is to be sent to it, and the one that was longest without a frame makes room.
 *
 * This table is the radio's list as the radio has acknowledged it: the owner adds and removes there first, here second.
 * Owned by one task.
 */
#ifndef PEER_TABLE_H
#define PEER_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "frame-ring.h"

/* ESP_NOW_MAX_TOTAL_PEER_NUM. */
#define PEERS_MAX 20

typedef struct {
  uint8_t addresses[PEERS_MAX][ADDRESS_BYTES];
  uint8_t count;
} peer_table;

/* True: it is a peer, and now the latest used. */
bool peer_table_use(peer_table *table, const uint8_t *address);

/* The peer that has to go before another can be added; NULL while there is room. */
const uint8_t *peer_table_retiring(const peer_table *table);

/* Forgets the peer that `peer_table_retiring` named. */
void peer_table_retire(peer_table *table);

/* An address that is not in the table, which has room. */
void peer_table_add(peer_table *table, const uint8_t *address);

void peer_table_clear(peer_table *table);

#endif
