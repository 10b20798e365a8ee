/* For the programs beside this file: what fails says where, and ends the program with status 1. */
#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition, ...)                                                                                          \
  do {                                                                                                                 \
    if (!(condition)) {                                                                                                \
      fprintf(stderr, "%s:%d: not so: %s: ", __FILE__, __LINE__, #condition);                                          \
      fprintf(stderr, __VA_ARGS__);                                                                                    \
      fputc('\n', stderr);                                                                                             \
      exit(1);                                                                                                         \
    }                                                                                                                  \
  } while (0)

/* xorshift32 (Marsaglia); the state is the seed, not 0. */
static inline uint32_t draw(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  return *state ^= *state << 5;
}

/* What the byte at `index` of frame number `number` is. */
static inline uint8_t content(uint32_t number, uint32_t index) {
  return (uint8_t)((number * 2654435761u >> 24) + index * 7);
}

#endif
