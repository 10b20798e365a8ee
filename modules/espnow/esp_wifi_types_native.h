/*
 * ESP-IDF has this header in a folder that a Moddable build does not search. Without the header, the RSSI of a received
 * frame is a member of an incomplete type.
 */
#include "local/esp_wifi_types_native.h"
