/*
 * What a machine brings for a line of bytes (serial-esp32.c, serial-lin.c), and what it calls. All of it is called by the
 * task of XS, and none of it waits.
 */
#ifndef SERIAL_DRIVER_H
#define SERIAL_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Messages go to `machine`, an xsMachine, and name the `opening`. Returns what is wrong, or NULL; then it is open. */
const char *line_open(bool usb, uint32_t baud, void *machine, uint32_t opening);
void line_close(void);
/* Returns how many bytes were read, and taken; 0 for none. */
size_t line_read(uint8_t *bytes, size_t room);
size_t line_write(const uint8_t *bytes, size_t length);

/* Called by the driver in the task of XS when bytes have come or there is room. Of an earlier opening it does nothing. */
void line_deliver(void *machine, uint32_t opening);

#endif
