/*
 * The files behind flash-lin.ts: each is a partition, byte for byte, and all ones when it is new. NOR rules: a write
 * only clears bits, and the result is compared with the bytes. A write goes to the kernel at once, so it survives when
 * the process is killed.
 */
#include "xsmc.h"
#include "xsHost.h"
#include "mc.xs.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES 4096
#define PATH_BYTES 1024

/* The app partition that does not run. A board without this file has one app partition. */
#define NEXT_IMAGE "nextota"

typedef struct {
	const char *name;
	uint32_t blocks;
} Partition;

static const Partition partitions[] = { { "drops", 448 }, { "crash", 2 }, { "settings", 2 }, { NEXT_IMAGE, 544 } };

typedef struct {
	int file;
	uint32_t sizeBytes;
} Part;

void xs_flash_destructor(void *data)
{
	Part *part = data;
	if (part) {
		close(part->file);
		free(part);
	}
}

static Part *partOf(xsMachine *the)
{
	return xsmcGetHostDataValidate(xsThis, xs_flash_destructor);
}

static uint32_t within(xsMachine *the, Part *part, xsNumberValue address, uint32_t lengthBytes)
{
	if ((address < 0) || (address > part->sizeBytes) || (lengthBytes > part->sizeBytes - address))
		xsUnknownError("outside the partition");
	return (uint32_t)address;
}

static void eraseAt(xsMachine *the, Part *part, uint32_t block)
{
	uint8_t ones[BLOCK_BYTES];
	memset(ones, 0xff, sizeof(ones));
	if (BLOCK_BYTES != pwrite(part->file, ones, BLOCK_BYTES, (off_t)block * BLOCK_BYTES))
		xsUnknownError("erase failed");
}

void xs_flash(xsMachine *the)
{
	const char *name = xsmcToString(xsArg(0));
	const char *folder = getenv("THROWIE_BOARD");
	char path[PATH_BYTES];
	const Partition *partition = partitions;
	while ((partition < partitions + sizeof(partitions) / sizeof(*partitions)) && strcmp(partition->name, name))
		partition++;
	if (partition == partitions + sizeof(partitions) / sizeof(*partitions))
		xsUnknownError("can't find partition");
	if ((NULL == folder) || (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path)))
		xsUnknownError("THROWIE_BOARD must name a folder");
	if (!strcmp(name, NEXT_IMAGE) && access(path, F_OK))
		xsUnknownError("can't find partition");
	Part *part = calloc(1, sizeof(*part));
	if (NULL == part)
		xsUnknownError("no memory");
	xsmcSetHostData(xsThis, part);
	part->sizeBytes = partition->blocks * BLOCK_BYTES;
	part->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stat found;
	if ((part->file < 0) || fstat(part->file, &found))
		xsUnknownError("can't open partition");
	if (0 == found.st_size) {
		for (uint32_t block = 0; block < partition->blocks; block++)
			eraseAt(the, part, block);
	}
	else if (found.st_size != part->sizeBytes)
		xsUnknownError("partition of another size");
}

void xs_flash_size(xsMachine *the)
{
	xsmcSetInteger(xsResult, partOf(the)->sizeBytes);
}

void xs_flash_read(xsMachine *the)
{
	Part *part = partOf(the);
	void *bytes;
	xsUnsignedValue lengthBytes;
	xsType type = xsmcTypeOf(xsArg(0));
	if ((xsIntegerType == type) || (xsNumberType == type)) {
		lengthBytes = xsmcToInteger(xsArg(0));
		xsmcSetArrayBuffer(xsResult, NULL, lengthBytes);
		bytes = xsmcToArrayBuffer(xsResult);
	}
	else {
		xsmcGetBufferWritable(xsArg(0), &bytes, &lengthBytes);
		xsmcSetInteger(xsResult, lengthBytes);
	}
	uint32_t address = within(the, part, xsmcToNumber(xsArg(1)), lengthBytes);
	if ((ssize_t)lengthBytes != pread(part->file, bytes, lengthBytes, address))
		xsUnknownError("read failed");
}

void xs_flash_write(xsMachine *the)
{
	Part *part = partOf(the);
	uint8_t *bytes;
	xsUnsignedValue lengthBytes;
	uint8_t now[256];
	xsmcGetBufferReadable(xsArg(0), (void **)&bytes, &lengthBytes);
	uint32_t address = within(the, part, xsmcToNumber(xsArg(1)), lengthBytes);
	xsBooleanValue taken = 1;
	for (xsUnsignedValue done = 0; done < lengthBytes; ) {
		size_t count = lengthBytes - done < sizeof(now) ? lengthBytes - done : sizeof(now);
		if ((ssize_t)count != pread(part->file, now, count, address + done))
			xsUnknownError("read failed");
		for (size_t i = 0; i < count; i++) {
			now[i] &= bytes[done + i];
			taken = taken && (now[i] == bytes[done + i]);
		}
		if ((ssize_t)count != pwrite(part->file, now, count, address + done))
			xsUnknownError("write failed");
		done += count;
	}
	if (!taken)
		xsUnknownError("write failed");
}

void xs_flash_erase_block(xsMachine *the)
{
	Part *part = partOf(the);
	xsNumberValue block = xsmcToNumber(xsArg(0));
	within(the, part, block * BLOCK_BYTES, BLOCK_BYTES);
	eraseAt(the, part, (uint32_t)block);
}
