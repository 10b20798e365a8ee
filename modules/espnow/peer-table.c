#include "peer-table.h"

#include <string.h>

static void put_first(peer_table *table, uint8_t others, const uint8_t *address) {
  uint8_t moved[ADDRESS_BYTES];
  memcpy(moved, address, ADDRESS_BYTES);
  memmove(table->addresses[1], table->addresses[0], (size_t)others * ADDRESS_BYTES);
  memcpy(table->addresses[0], moved, ADDRESS_BYTES);
}

bool peer_table_use(peer_table *table, const uint8_t *address) {
  for (uint8_t i = 0; i < table->count; i++) {
    if (memcmp(table->addresses[i], address, ADDRESS_BYTES) == 0) {
      put_first(table, i, address);
      return true;
    }
  }
  return false;
}

const uint8_t *peer_table_retiring(const peer_table *table) {
  return table->count < PEERS_MAX ? NULL : table->addresses[PEERS_MAX - 1];
}

void peer_table_retire(peer_table *table) {
  table->count--;
}

void peer_table_add(peer_table *table, const uint8_t *address) {
  put_first(table, table->count, address);
  table->count++;
}

void peer_table_clear(peer_table *table) {
  table->count = 0;
}
