/*
 * Prints the table of esp-error.c: `<code> <kind> <name>: <meaning>` for each code in esp-error.h, and then for a code
 * that is in no header.
 */
#include "check.h"
#include "esp-error.h"

#define CODE(name, code, kind, meaning) code,

int main(void) {
  const int32_t codes[] = {ESP_ERRORS(CODE) 0x3fff};
  for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
    printf("%d %d %s: %s\n", codes[i], esp_error_kind(codes[i]), esp_error_name(codes[i]), esp_error_meaning(codes[i]));
  }
  return 0;
}
