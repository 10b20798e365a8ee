/*
 * When the radio may be given its next frame, and when it has to be taken for stuck.
 *
 * One frame is in flight at a time: Espressif advises to send the next after the send callback, and reports bursts
 * into a full queue that deliver nothing. A radio that is out of buffers is asked again. One that is for ever, or never
 * calls back, is known to happen after some ten thousand broadcasts: it is started anew.
 *
 * Pure: times come in, in milliseconds of any clock that wraps at 2^32, and a verdict comes out. Owned by one task.
 */
#ifndef PACING_H
#define PACING_H

#include <stdbool.h>
#include <stdint.h>

/* The slowest frame is 50 ms on air (1,470 bytes at 250 kbit/s); the rest is for repetitions and for a busy channel. */
#define SEND_TIMEOUT_MS 1000
/* A buffer comes free when a frame has left: the usual one takes 3 ms. */
#define NO_MEMORY_RETRY_MS 5
#define NO_MEMORY_RETRIES_MAX 200
#define RESTART_RETRY_MS 1000
/* Ten seconds of nothing but failure: only a restart of the whole chip is left to try. */
#define RESTARTS_FAILED_MAX 10

typedef enum { PACING_SEND, PACING_WAIT, PACING_RESTART } pacing_verdict;

typedef struct {
  enum { PACING_FREE, PACING_IN_FLIGHT, PACING_NO_MEMORY, PACING_BROKEN, PACING_DOWN } state;
  uint32_t since_ms;
  uint32_t no_memory_count;
  /* In a row. */
  uint32_t restarts_failed;
} pacing;

/* What to do now; PACING_WAIT sets for how long at most. */
pacing_verdict pacing_decide(const pacing *pacing, uint32_t now_ms, uint32_t *wait_ms);

/* The radio took a frame; its send callback will come. */
void pacing_taken(pacing *pacing, uint32_t now_ms);
/* The radio has no memory for a frame now. */
void pacing_no_memory(pacing *pacing, uint32_t now_ms);
/* The send callback came, whatever it said. */
void pacing_completed(pacing *pacing);
/* The radio is in no state to send. */
void pacing_broken(pacing *pacing);
void pacing_restarted(pacing *pacing, uint32_t now_ms, bool succeeded);
/* It cannot be started any more. */
bool pacing_lost(const pacing *pacing);

#endif
