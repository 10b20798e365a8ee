/*
 * The native half of image-loader.ts on a desk. The board's folder has the files that a boot loader would keep:
 * `nextota` is the app partition that does not run, and a board without that file has one app partition. `chosen` says
 * that the next start is to try `nextota`, and `trial` that the firmware which runs is on trial. Who starts the
 * firmware plays the boot loader.
 */
#include "xsmc.h"
#include "xsHost.h"
#include "mc.xs.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 1024
#define CHIP 5	/* an ESP32-C3 */
#define DIGEST_BYTES 32
#define HEADER_BYTES 24
#define BLOCK_BYTES 16

static void boardPath(xsMachine *the, char *path, const char *name)
{
	const char *folder = getenv("THROWIE_BOARD");
	if ((NULL == folder) || (snprintf(path, PATH_BYTES, "%s/%s", folder, name) >= PATH_BYTES))
		xsUnknownError("THROWIE_BOARD must name a folder");
}

void xs_board_image_chip(xsMachine *the)
{
	xsmcSetInteger(xsResult, CHIP);
}

void xs_board_image_on_trial(xsMachine *the)
{
	char path[PATH_BYTES];
	boardPath(the, path, "trial");
	xsmcSetBoolean(xsResult, 0 == access(path, F_OK));
}

void xs_board_image_confirm(xsMachine *the)
{
	char path[PATH_BYTES];
	boardPath(the, path, "trial");
	unlink(path);
}

/* The bytes of a whole image before its SHA-256 (hosts/firmware/image.ts describes the form). 0: there is none. */
static gsize hashedBytes(const uint8_t *image, gsize lengthBytes)
{
	if ((lengthBytes < HEADER_BYTES) || (0xe9 != image[0]) || (1 != image[HEADER_BYTES - 1]))
		return 0;
	gsize at = HEADER_BYTES;
	for (int segment = 0; segment < image[1]; segment++) {
		if (lengthBytes - at < 8)
			return 0;
		const uint8_t *size = image + at + 4;
		uint32_t sizeBytes = size[0] | (size[1] << 8) | (size[2] << 16) | ((uint32_t)size[3] << 24);
		if (sizeBytes > lengthBytes - at - 8)
			return 0;
		at += 8 + sizeBytes;
	}
	gsize hashed = at / BLOCK_BYTES * BLOCK_BYTES + BLOCK_BYTES;
	return (hashed > lengthBytes) || (lengthBytes - hashed < DIGEST_BYTES) ? 0 : hashed;
}

void xs_board_image_digest(xsMachine *the)
{
	char path[PATH_BYTES];
	void *into;
	xsUnsignedValue lengthBytes;
	gchar *image;
	gsize imageBytes;
	xsmcGetBufferWritable(xsArg(0), &into, &lengthBytes);
	if (lengthBytes < DIGEST_BYTES)
		xsRangeError("buffer too small");
	boardPath(the, path, "nextota");
	xsmcSetFalse(xsResult);
	if (!g_file_get_contents(path, &image, &imageBytes, NULL))
		return;
	gsize hashed = hashedBytes((const uint8_t *)image, imageBytes);
	if (hashed > 0) {
		gsize digestBytes = DIGEST_BYTES;
		GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
		g_checksum_update(sum, (const guchar *)image, (gssize)hashed);
		g_checksum_get_digest(sum, into, &digestBytes);
		g_checksum_free(sum);
		if (0 == memcmp(into, image + hashed, DIGEST_BYTES))
			xsmcSetTrue(xsResult);
	}
	g_free(image);
}

void xs_board_image_choose(xsMachine *the)
{
	char path[PATH_BYTES];
	boardPath(the, path, "chosen");
	xsmcSetBoolean(xsResult, g_file_set_contents(path, "", 0, NULL));
}
