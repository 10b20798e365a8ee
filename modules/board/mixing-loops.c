/*
 * HalfSipHash-1-3 over the eight bytes of a ShortId, and the loops that need it for each of 750 Drops. In XS the loops
 * take most of a second, here about a millisecond.
 */
#include "mixing-loops.h"

static uint32_t rotate(uint32_t word, int bits)
{
	return (word << bits) | (word >> (32 - bits));
}

static void sip_round(uint32_t *v)
{
	v[0] += v[1];
	v[1] = rotate(v[1], 5) ^ v[0];
	v[0] = rotate(v[0], 16);
	v[2] += v[3];
	v[3] = rotate(v[3], 8) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 7) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 13) ^ v[2];
	v[2] = rotate(v[2], 16);
}

static void mix(const uint32_t *key, uint32_t *low, uint32_t *high)
{
	uint32_t v[4] = { key[0], key[1] ^ 0xee, 0x6c796765 ^ key[0], 0x74656462 ^ key[1] };
	const uint32_t words[3] = { *low, *high, (uint32_t)8 << 24 };
	for (int i = 0; i < 3; i++) {
		v[3] ^= words[i];
		sip_round(v);
		v[0] ^= words[i];
	}
	v[2] ^= 0xee;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	*low = v[1] ^ v[3];
	v[1] ^= 0xdd;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	*high = v[1] ^ v[3];
}

void mix_all(uint32_t *low, uint32_t *high, const uint32_t *key, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		mix(key, low + i, high + i);
}

void enter_all(const uint32_t *batch, size_t count, uint32_t *sums, uint8_t *cells)
{
	const uint32_t direction = batch[2];
	for (size_t i = 0; i < count; i++) {
		uint32_t low = batch[BATCH_HEADER_WORDS + 2 * i];
		uint32_t high = batch[BATCH_HEADER_WORDS + 2 * i + 1];
		mix(batch, &low, &high);
		sums[0] ^= low;
		sums[1] += direction == 1 ? high : 0 - high;
		sums[2] += direction;
		uint32_t cell = ((low >> 16) * FINGERPRINT_CELLS) >> 16;
		int shift = (cell & 1) ? 4 : 0;
		uint32_t value = (uint32_t)(cells[cell >> 1] >> shift) + (high >> 31 ? 0 - direction : direction);
		cells[cell >> 1] = (uint8_t)((cells[cell >> 1] & (0xf0 >> shift)) | ((value & 15) << shift));
	}
}

/* Shell's sort: no memory, and a few thousand moves for 750 items. */
bool sort_mixes(uint32_t *positions, uint32_t *tags, uint16_t *items, size_t count)
{
	size_t gap = 1;
	bool repeats = false;
	while (gap * 3 + 1 < count)
		gap = gap * 3 + 1;
	for (; gap > 0; gap /= 3) {
		for (size_t i = gap; i < count; i++) {
			uint32_t position = positions[i], tag = tags[i];
			uint16_t item = items[i];
			size_t hole = i;
			for (; hole >= gap; hole -= gap) {
				size_t before = hole - gap;
				if (positions[before] < position || (positions[before] == position && tags[before] <= tag))
					break;
				positions[hole] = positions[before];
				tags[hole] = tags[before];
				items[hole] = items[before];
			}
			positions[hole] = position;
			tags[hole] = tag;
			items[hole] = item;
		}
	}
	for (size_t i = 1; i < count; i++)
		repeats |= positions[i] == positions[i - 1] && tags[i] == tags[i - 1];
	return repeats;
}

void mark_bins(const uint32_t *positions, size_t count, uint16_t *bins, size_t bin_count)
{
	int shift = 32;
	size_t i = 0;
	for (size_t n = bin_count; n > 1; n >>= 1)
		shift--;
	for (size_t bin = 0; bin < bin_count; bin++) {
		while (i < count && (positions[i] >> shift) < bin)
			i++;
		bins[bin] = (uint16_t)i;
	}
}
