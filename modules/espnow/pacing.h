/*
 * Decides when the radio gets its next frame, and when the radio is stuck.
 *
 * One frame is in flight at a time. Espressif advises to send the next frame after the send callback, and reports that
 * bursts into a full queue deliver nothing. When the radio is out of buffers, it is asked again. After some ten
 * thousand broadcasts it may stay out of buffers for ever, or never call back. Such a radio is started anew.
 *
 * Pure: times come in, in milliseconds of any clock that wraps at 2^32, and a decision comes out. Owned by one task.
 */
#ifndef PACING_H
#define PACING_H

#include <stdbool.h>
#include <stdint.h>

/* The slowest frame is 50 ms on air (1,470 bytes at 250 kbit/s). The rest is for repetitions and a busy channel. */
#define SEND_TIMEOUT_MS 1000
/* A buffer becomes free when a frame has left, which usually takes 3 ms. */
#define NO_MEMORY_RETRY_MS 5
#define NO_MEMORY_RETRIES_MAX 200
#define RESTART_RETRY_MS 1000
/* Ten seconds of failed restarts. After that, only a restart of the whole chip may help. */
#define RESTARTS_FAILED_MAX 10

typedef enum { PACING_SEND, PACING_WAIT, PACING_RESTART } pacing_verdict;

typedef struct {
  enum { PACING_FREE, PACING_IN_FLIGHT, PACING_NO_MEMORY, PACING_BROKEN, PACING_DOWN } state;
  uint32_t since_ms;
  uint32_t no_memory_count;
  /* Failed restarts in a row. */
  uint32_t restarts_failed;
} pacing;

/* What to do now. PACING_WAIT also sets the longest time to wait. */
pacing_verdict pacing_decide(const pacing *pacing, uint32_t now_ms, uint32_t *wait_ms);

/* The radio took a frame; its send callback will come. */
void pacing_taken(pacing *pacing, uint32_t now_ms);
/* The radio has no memory for a frame now. */
void pacing_no_memory(pacing *pacing, uint32_t now_ms);
/* The send callback came, with any result. */
void pacing_completed(pacing *pacing);
/* The radio is in no state to send. */
void pacing_broken(pacing *pacing);
void pacing_restarted(pacing *pacing, uint32_t now_ms, bool succeeded);
/* True when too many restarts in a row have failed. */
bool pacing_lost(const pacing *pacing);

#endif
