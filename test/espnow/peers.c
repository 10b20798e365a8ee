/*
 * Drives peer-table.c from standard input. Each line of the input is an address of twelve hexadecimal digits. The
 * answer to each is one line: `known`, `add`, or `retire <address> add`.
 */
#include "check.h"
#include "peer-table.h"

int main(void) {
  static peer_table table;
  unsigned int byte[ADDRESS_BYTES];
  while (scanf("%2x%2x%2x%2x%2x%2x", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4], &byte[5]) == ADDRESS_BYTES) {
    uint8_t address[ADDRESS_BYTES];
    for (int i = 0; i < ADDRESS_BYTES; i++) address[i] = (uint8_t)byte[i];
    if (peer_table_use(&table, address)) {
      puts("known");
      continue;
    }
    const uint8_t *retiring = peer_table_retiring(&table);
    if (retiring != NULL) {
      printf("retire ");
      for (int i = 0; i < ADDRESS_BYTES; i++) printf("%02x", retiring[i]);
      printf(" ");
      peer_table_retire(&table);
    }
    peer_table_add(&table, address);
    puts("add");
  }
  CHECK(table.count <= PEERS_MAX, "%u", table.count);
  return 0;
}
