/*
 * Runs the firmware built for `lin` without a screen, because the SDK's own simulator needs a desktop. Gives the shared
 * object the functions of a simulator (`txScreen`); most of them do nothing. Runs GLib's loop, which drives the timers
 * and the radio of the firmware. The firmware ends this process itself when it sleeps or restarts
 * (modules/board/board-lin.c). This program ends the process when XS aborts and the firmware does not restart itself.
 *
 * Usage: desk <shared object>, with THROWIE_BOARD naming the board's folder.
 */
#include <dlfcn.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "screen.h"

/* hosts/firmware/desk.ts knows these exit statuses. */
#define UNUSABLE 2
#define ABORTED 13

static void aborted(txScreen *screen, int status)
{
	(void)screen;
	fprintf(stderr, "XS gave up, status %d\n", status);
	_Exit(ABORTED);
}

static void start(txScreen *screen, double intervalMs)
{
	(void)screen, (void)intervalMs;
}

static void stop(txScreen *screen)
{
	(void)screen;
}

static void changed(txScreen *screen)
{
	(void)screen;
}

int main(int count, char **words)
{
	if (count != 2) {
		fprintf(stderr, "usage: desk <shared object>\n");
		return UNUSABLE;
	}
	void *firmware = dlopen(words[1], RTLD_NOW);
	txScreenLaunchProc launch = firmware ? (txScreenLaunchProc)dlsym(firmware, "fxScreenLaunch") : NULL;
	if (NULL == launch) {
		fprintf(stderr, "%s\n", dlerror());
		return UNUSABLE;
	}
	txScreen *screen = calloc(1, sizeof(txScreen) + screenBytesPerPixel);
	if (NULL == screen)
		return UNUSABLE;
	screen->width = screen->height = 1;
	screen->abort = aborted;
	screen->bufferChanged = changed;
	screen->formatChanged = changed;
	screen->start = start;
	screen->stop = stop;
	g_mutex_init(&screen->workersMutex);
	(*launch)(screen);
	g_main_loop_run(g_main_loop_new(NULL, FALSE));
	return UNUSABLE;
}
