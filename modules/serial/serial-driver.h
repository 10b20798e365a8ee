/*
 * The functions that each machine provides for a line of bytes (serial-esp32.c, serial-lin.c), and the function that
 * they call. All of them are called in the task of XS, and none of them waits.
 */
#ifndef SERIAL_DRIVER_H
#define SERIAL_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Messages go to `machine`, an xsMachine, and name the `opening`. Returns NULL when the line is open, else the cause.
 */
const char *line_open(bool usb, uint32_t baud, void *machine, uint32_t opening);
void line_close(void);
/* line_read returns how many bytes were read, line_write how many were taken. 0 when there are none. */
size_t line_read(uint8_t *bytes, size_t room);
size_t line_write(const uint8_t *bytes, size_t length);

/* Called by the driver in the task of XS when bytes came or there is room. Ignores a call of an earlier opening. */
void line_deliver(void *machine, uint32_t opening);

#endif
