/*
 * The native half of serial.ts, the same on a board and on Linux. Everything here runs in the task of XS.
 *
 * There is one line at a time. Closing is idempotent. A closed line reads nothing and takes nothing. A message that was
 * posted before the line was closed names another opening than the present one, so its delivery does nothing.
 */
#include "xsmc.h"
#include "xsHost.h"

#include "serial-driver.h"

static struct {
	uint32_t opening;	/* odd while the line is open */
	xsSlot object;
	xsSlot *wake;
} line;

void xs_line_destructor(void *data);
static void mark(xsMachine *the, void *data, xsMarkRoot markRoot);
static const xsHostHooks hooks = { xs_line_destructor, mark, NULL };

void xs_line_destructor(void *data)
{
	if (NULL == data)
		return;
	line_close();
	line.opening++;
}

static void mark(xsMachine *the, void *data, xsMarkRoot markRoot)
{
	(void)data;
	markRoot(the, line.wake);
}

static bool isOpen(xsMachine *the)
{
	return NULL != xsmcGetHostData(xsThis);
}

/* (usb, baud, wake: () => void) */
void xs_line_open(xsMachine *the)
{
	bool usb = xsmcToBoolean(xsArg(0));
	xsIntegerValue baud = xsmcToInteger(xsArg(1));
	xsSlot *wake = xsmcToReference(xsArg(2));
	const char *trouble;
	if (line.opening % 2)
		xsUnknownError("serial: a line is open already; close it first");
	if (baud < 1)
		xsRangeError("serial: no such speed");
	trouble = line_open(usb, (uint32_t)baud, the, line.opening + 1);
	if (trouble)
		xsUnknownError("serial: %s", trouble);
	line.opening++;
	line.wake = wake;
	line.object = xsThis;
	xsmcSetHostData(xsThis, &line);
	xsSetHostHooks(xsThis, (xsHostHooks *)&hooks);
	xsRemember(line.object);
}

void xs_line_close(xsMachine *the)
{
	if (!isOpen(the))
		return;
	xsForget(line.object);
	xs_line_destructor(&line);
	xsmcSetHostData(xsThis, NULL);
	xsmcSetHostDestructor(xsThis, NULL);
}

/* (bytes to fill) -> how many bytes were filled */
void xs_line_read(xsMachine *the)
{
	void *bytes;
	xsUnsignedValue room;
	xsmcGetBufferWritable(xsArg(0), &bytes, &room);
	xsmcSetInteger(xsResult, isOpen(the) ? (xsIntegerValue)line_read(bytes, room) : 0);
}

/* (bytes, offset, length) -> how many bytes were taken */
void xs_line_write(xsMachine *the)
{
	void *bytes;
	xsUnsignedValue size;
	xsIntegerValue at = xsmcToInteger(xsArg(1));
	xsIntegerValue length = xsmcToInteger(xsArg(2));
	xsmcGetBufferReadable(xsArg(0), &bytes, &size);
	if ((at < 0) || (length < 0) || ((xsUnsignedValue)at > size) || ((xsUnsignedValue)length > size - (xsUnsignedValue)at))
		xsRangeError("serial: outside the buffer");
	xsmcSetInteger(xsResult, isOpen(the) && length ? (xsIntegerValue)line_write((uint8_t *)bytes + at, (size_t)length) : 0);
}

void line_deliver(void *machine, uint32_t opening)
{
	xsMachine *the = machine;
	if ((opening != line.opening) || (0 == opening % 2))
		return;
	xsBeginHost(the);
	xsCallFunction0(xsReference(line.wake), line.object);
	xsEndHost(the);
}
