/*
 * The native half of crc32.ts and copy.ts: work on each byte that takes XS too long. An ESP32 has the CRC in its ROM.
 * On a desk the CRC is made bit by bit, because its speed does not matter there. A range outside a buffer is a
 * RangeError.
 */
#include "xsmc.h"
#include "xsHost.h"

#ifdef ESP32

#include "esp_rom_crc.h"

static uint32_t crcOf(const uint8_t *bytes, size_t length)
{
	return esp_rom_crc32_le(0, bytes, (uint32_t)length);
}

#else

static uint32_t crcOf(const uint8_t *bytes, size_t length)
{
	uint32_t crc = 0xffffffff;
	while (length--) {
		crc ^= *bytes++;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

#endif

static void within(xsMachine *the, xsUnsignedValue size, xsIntegerValue at, xsIntegerValue length)
{
	if ((at < 0) || (length < 0) || ((xsUnsignedValue)at > size) || ((xsUnsignedValue)length > size - (xsUnsignedValue)at))
		xsRangeError("outside the buffer");
}

/* The address of `length` bytes in the buffer of the first argument, from the offset of the second argument. */
static const uint8_t *pieceOf(xsMachine *the, xsIntegerValue length)
{
	void *bytes;
	xsUnsignedValue size;
	xsIntegerValue at = xsmcToInteger(xsArg(1));
	xsmcGetBufferReadable(xsArg(0), &bytes, &size);
	within(the, size, at, length);
	return (const uint8_t *)bytes + at;
}

/* (bytes, offset, length) -> the CRC as a signed integer */
void xs_crc32(xsMachine *the)
{
	xsIntegerValue length = xsmcToInteger(xsArg(2));
	xsmcSetInteger(xsResult, (xsIntegerValue)crcOf(pieceOf(the, length), (size_t)length));
}

/* (from, fromAt, to, toAt, length) */
void xs_copy(xsMachine *the)
{
	void *to;
	xsUnsignedValue size;
	xsIntegerValue at = xsmcToInteger(xsArg(3));
	xsIntegerValue length = xsmcToInteger(xsArg(4));
	const uint8_t *from = pieceOf(the, length);
	xsmcGetBufferWritable(xsArg(2), &to, &size);
	within(the, size, at, length);
	c_memmove((uint8_t *)to + at, from, (size_t)length);
}
