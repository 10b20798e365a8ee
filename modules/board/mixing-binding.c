/*
 * The native half of mixing.ts. A range outside a buffer is a RangeError. The buffers of typed arrays begin at a
 * multiple of four bytes, since each of these arrays has a buffer of its own.
 *
 * The SDK gives C the bytes of arrays of bytes and of ArrayBuffers only: for any other typed array it throws "invalid
 * buffer". So each array is taken by its buffer.
 */
#include "mixing-loops.h"
#include "xsmc.h"
#include "xsHost.h"

/* Needs xsVar(0). */
static void *bufferOf(xsMachine *the, int index, xsUnsignedValue *size)
{
	void *words;
	xsmcGet(xsVar(0), xsArg(index), xsID("buffer"));
	xsmcGetBufferWritable(xsVar(0), &words, size);
	return words;
}

static void *wordsOf(xsMachine *the, int index, size_t bytes)
{
	xsUnsignedValue size;
	void *words = bufferOf(the, index, &size);
	if (bytes > size)
		xsRangeError("outside the buffer");
	return words;
}

static size_t countOf(xsMachine *the, int index, size_t max)
{
	xsIntegerValue count = xsmcToInteger(xsArg(index));
	if ((count < 0) || ((size_t)count > max))
		xsRangeError("outside the buffer");
	return (size_t)count;
}

/* (low, high, keyLow, keyHigh, from, to) */
void xs_mix_all(xsMachine *the)
{
	xsmcVars(1);
	const uint32_t key[2] = { (uint32_t)xsmcToInteger(xsArg(2)), (uint32_t)xsmcToInteger(xsArg(3)) };
	size_t to = countOf(the, 5, 0xffff);
	size_t from = countOf(the, 4, to);
	mix_all(wordsOf(the, 0, 4 * to), wordsOf(the, 1, 4 * to), key, from, to);
}

/* ([keyLow, keyHigh, direction, ids ...], count, sums, cells, at) */
void xs_enter_all(xsMachine *the)
{
	xsmcVars(1);
	size_t count = countOf(the, 1, 0xffff);
	size_t at = countOf(the, 4, 0xffff);
	const uint32_t *batch = wordsOf(the, 0, 4 * (BATCH_HEADER_WORDS + 2 * count));
	uint32_t *sums = wordsOf(the, 2, 12 * (at + 1));
	uint8_t *cells = wordsOf(the, 3, (FINGERPRINT_CELLS / 2) * (at + 1));
	enter_all(batch, count, sums + 3 * at, cells + (FINGERPRINT_CELLS / 2) * at);
}

/* (positions, tags, items, bins, count) -> whether two neighbours have one mix */
void xs_sort_mixes(xsMachine *the)
{
	xsmcVars(1);
	xsUnsignedValue size;
	size_t count = countOf(the, 4, 0xffff);
	uint32_t *positions = wordsOf(the, 0, 4 * count);
	uint32_t *tags = wordsOf(the, 1, 4 * count);
	uint16_t *items = wordsOf(the, 2, 2 * count);
	bool repeats = sort_mixes(positions, tags, items, count);
	uint16_t *bins = bufferOf(the, 3, &size);
	mark_bins(positions, count, bins, size / 2);
	xsmcSetBoolean(xsResult, repeats);
}
