#include "pacing.h"

static pacing_verdict after(uint32_t limit_ms, uint32_t elapsed_ms, pacing_verdict verdict, uint32_t *wait_ms) {
  if (elapsed_ms >= limit_ms) return verdict;
  *wait_ms = limit_ms - elapsed_ms;
  return PACING_WAIT;
}

pacing_verdict pacing_decide(const pacing *pacing, uint32_t now_ms, uint32_t *wait_ms) {
  const uint32_t elapsed_ms = now_ms - pacing->since_ms;
  switch (pacing->state) {
    case PACING_FREE:
      return PACING_SEND;
    case PACING_IN_FLIGHT:
      return after(SEND_TIMEOUT_MS, elapsed_ms, PACING_RESTART, wait_ms);
    case PACING_NO_MEMORY:
      if (pacing->no_memory_count > NO_MEMORY_RETRIES_MAX) return PACING_RESTART;
      return after(NO_MEMORY_RETRY_MS, elapsed_ms, PACING_SEND, wait_ms);
    case PACING_DOWN:
      return after(RESTART_RETRY_MS, elapsed_ms, PACING_RESTART, wait_ms);
    case PACING_BROKEN:
      break;
  }
  return PACING_RESTART;
}

void pacing_taken(pacing *pacing, uint32_t now_ms) {
  pacing->state = PACING_IN_FLIGHT;
  pacing->since_ms = now_ms;
  pacing->no_memory_count = 0;
}

void pacing_no_memory(pacing *pacing, uint32_t now_ms) {
  pacing->state = PACING_NO_MEMORY;
  pacing->since_ms = now_ms;
  pacing->no_memory_count++;
}

void pacing_completed(pacing *pacing) {
  if (pacing->state == PACING_IN_FLIGHT) pacing->state = PACING_FREE;
}

void pacing_broken(pacing *pacing) {
  pacing->state = PACING_BROKEN;
}

void pacing_restarted(pacing *pacing, uint32_t now_ms, bool succeeded) {
  pacing->state = succeeded ? PACING_FREE : PACING_DOWN;
  pacing->since_ms = now_ms;
  pacing->no_memory_count = 0;
  pacing->restarts_failed = succeeded ? 0 : pacing->restarts_failed + 1;
}

bool pacing_lost(const pacing *pacing) {
  return pacing->restarts_failed >= RESTARTS_FAILED_MAX;
}
