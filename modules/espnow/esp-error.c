#include "esp-error.h"

#include <stddef.h>

typedef struct {
  int32_t code;
  error_kind kind;
  const char *name;
  const char *meaning;
} esp_error;

#define ROW(name, code, kind, meaning) {code, kind, #name, meaning},
static const esp_error errors[] = {ESP_ERRORS(ROW)};
static const esp_error unknown = {0, ERROR_RADIO, "an error without a name", "see the number"};

static const esp_error *find(int32_t code) {
  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
    if (errors[i].code == code) return &errors[i];
  }
  return &unknown;
}

error_kind esp_error_kind(int32_t code) {
  return find(code)->kind;
}

const char *esp_error_name(int32_t code) {
  return find(code)->name;
}

const char *esp_error_meaning(int32_t code) {
  return find(code)->meaning;
}
