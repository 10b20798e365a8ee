/*
 * The programs beside this file are tests without a test library. CHECK prints the place, the condition and a message
 * when the condition is false, and ends the program with status 1. `draw` and `content` make the frames' random bytes.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition, ...)                                                                                          \
  do {                                                                                                                 \
    if (!(condition)) {                                                                                                \
      fprintf(stderr, "%s:%d: check failed: %s: ", __FILE__, __LINE__, #condition);                                    \
      fprintf(stderr, __VA_ARGS__);                                                                                    \
      fputc('\n', stderr);                                                                                             \
      exit(1);                                                                                                         \
    }                                                                                                                  \
  } while (0)

/* xorshift32 (Marsaglia). The state begins as the seed, which must not be 0. */
static inline uint32_t draw(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  return *state ^= *state << 5;
}

/* The byte at `index` of frame number `number`. */
static inline uint8_t content(uint32_t number, uint32_t index) {
  return (uint8_t)((number * 2654435761u >> 24) + index * 7);
}

#endif
