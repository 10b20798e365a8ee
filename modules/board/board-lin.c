/*
 * The board on a desk: the native half of board.ts, over Linux. The folder in THROWIE_BOARD is the board. Its file
 * `memory` holds the bytes that outlive a life; a board that was never started has no such file. The partitions are
 * files beside it (flash-lin.c).
 *
 * A life is a process. Sleep and restart end the process with an exit status of their own, and the parent process
 * starts it again. After a sleep it does so when the time in the file `sleep-ms` is over. To kill the process is to cut
 * the board's power. The clock is the machine's clock, so it continues between lives.
 */
#include "xsmc.h"
#include "xsHost.h"
#include "mc.xs.h"
#include "modInstrumentation.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define MEMORY_BYTES 16
#define RETAINED_BYTES 4384
#define PATH_BYTES 1024
#define WATCHDOG_S 30
/* Exit statuses. hosts/firmware/desk.ts knows them too. */
#define SLEPT 10
#define RESTARTED 11
#define STUCK 12

typedef struct {
	uint32_t ending;		/* how the last life ended: an exit status, or 0 when it was killed */
	uint8_t memory[MEMORY_BYTES];
	uint8_t retained[RETAINED_BYTES];
	int64_t originMs;		/* the machine's clock when the board was powered on */
} Kept;

static Kept kept;
static int file = -1;

static int64_t machineMs(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void boardPath(char *path, const char *name)
{
	const char *folder = getenv("THROWIE_BOARD");
	if ((NULL == folder) || (snprintf(path, PATH_BYTES, "%s/%s", folder, name) >= PATH_BYTES)) {
		fprintf(stderr, "THROWIE_BOARD must name the folder that is the board.\n");
		exit(2);
	}
}

static void keep(void)
{
	if (sizeof(kept) != pwrite(file, &kept, sizeof(kept), 0)) {
		perror("memory of the board");
		exit(2);
	}
}

static void stuck(int number)
{
	(void)number;
	kept.ending = STUCK;
	if (sizeof(kept) != pwrite(file, &kept, sizeof(kept), 0))
		_exit(2);
	_exit(STUCK);
}

static void end(int ending)
{
	kept.ending = ending;
	keep();
	fflush(stdout);
	_exit(ending);
}

void xs_board_begin(xsMachine *the)
{
	char path[PATH_BYTES];
	boardPath(path, "memory");
	file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (file < 0) {
		perror(path);
		exit(2);
	}
	if (sizeof(kept) != pread(file, &kept, sizeof(kept), 0))
		memset(&kept, 0, sizeof(kept));
	const char *cause = "power";
	if (SLEPT == kept.ending)
		cause = "timer";
	else if (RESTARTED == kept.ending)
		cause = "crash";
	else if (STUCK == kept.ending)
		cause = "watchdog";
	else {
		memset(kept.memory, 0, sizeof(kept.memory));
		memset(kept.retained, 0, sizeof(kept.retained));
		kept.originMs = machineMs();
	}
	kept.ending = 0;
	keep();
	signal(SIGALRM, stuck);
	alarm(WATCHDOG_S);
	xsmcSetString(xsResult, (char *)cause);
}

void xs_board_now(xsMachine *the)
{
	xsmcSetNumber(xsResult, (xsNumberValue)(machineMs() - kept.originMs));
}

void xs_board_fill(xsMachine *the)
{
	uint8_t *bytes;
	xsUnsignedValue lengthBytes;
	xsmcGetBufferWritable(xsArg(0), (void **)&bytes, &lengthBytes);
	while (lengthBytes > 0) {
		ssize_t count = getrandom(bytes, lengthBytes, 0);
		if (count < 0)
			xsUnknownError("board: no random bytes");
		bytes += count;
		lengthBytes -= count;
	}
}

void xs_board_memory_read(xsMachine *the)
{
	void *bytes;
	xsUnsignedValue lengthBytes;
	xsmcGetBufferWritable(xsArg(0), &bytes, &lengthBytes);
	if (lengthBytes < MEMORY_BYTES)
		xsRangeError("buffer too small");
	memcpy(bytes, kept.memory, MEMORY_BYTES);
}

void xs_board_memory_write(xsMachine *the)
{
	void *bytes;
	xsUnsignedValue lengthBytes;
	xsmcGetBufferReadable(xsArg(0), &bytes, &lengthBytes);
	if (lengthBytes < MEMORY_BYTES)
		xsRangeError("buffer too small");
	memcpy(kept.memory, bytes, MEMORY_BYTES);
	keep();
}

/* (MHz). A desk keeps its own clock. */
void xs_board_set_clock(xsMachine *the)
{
	(void)the;
}

void xs_board_retain(xsMachine *the)
{
	void *bytes;
	xsUnsignedValue lengthBytes;
	xsmcGetBufferReadable(xsArg(0), &bytes, &lengthBytes);
	if (lengthBytes < RETAINED_BYTES)
		xsRangeError("buffer too small");
	memcpy(kept.retained, bytes, RETAINED_BYTES);
	keep();
}

void xs_board_recall(xsMachine *the)
{
	void *bytes;
	xsUnsignedValue lengthBytes;
	xsmcGetBufferWritable(xsArg(0), &bytes, &lengthBytes);
	if (lengthBytes < RETAINED_BYTES)
		xsRangeError("buffer too small");
	memcpy(bytes, kept.retained, RETAINED_BYTES);
	memset(kept.retained, 0, RETAINED_BYTES);
	keep();
}

void xs_board_sleep(xsMachine *the)
{
	char path[PATH_BYTES];
	boardPath(path, "sleep-ms");
	FILE *sleepMs = fopen(path, "w");
	if ((NULL == sleepMs) || (fprintf(sleepMs, "%.0f\n", xsmcToNumber(xsArg(0))) < 0) || fclose(sleepMs)) {
		perror(path);
		exit(2);
	}
	end(SLEPT);
}

/* A desk sleeps as a board with an ESP32-C3 does. */
void xs_board_light_sleep_ms_max(xsMachine *the)
{
	xsmcSetInteger(xsResult, 496000);
}

/* The process sleeps, so nothing of its memory is lost, and the watchdog does not count. */
void xs_board_light_sleep(xsMachine *the)
{
	int64_t ms = (int64_t)xsmcToNumber(xsArg(0));
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	fflush(stdout);
	alarm(0);
	while (nanosleep(&left, &left))
		;
	alarm(WATCHDOG_S);
	xsmcSetTrue(xsResult);
}

void xs_board_restart(xsMachine *the)
{
	end(RESTARTED);
}

void xs_board_feed_watchdog(xsMachine *the)
{
	alarm(WATCHDOG_S);
}

void xs_board_log(xsMachine *the)
{
	puts(xsmcToString(xsArg(0)));
#if MODINSTRUMENTATION
	/* A slot is twice as large here as on a board, so slots are counted. Chunks have about the same size. */
	xsCollectGarbage();
	printf("memory: %d slots, %d bytes of chunks\n", (int)(modInstrumentationGet(the, SlotHeapSize) / sizeof(xsSlot)),
		(int)modInstrumentationGet(the, ChunkHeapSize));
#endif
	fflush(stdout);
}
