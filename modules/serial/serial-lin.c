/*
 * The line on Linux: the terminal that THROWIE_SERIAL names, or a new pseudo-terminal. The name of a new one is
 * printed, for a program that takes the part of the computer. GLib tells when bytes can be read, and when there is room
 * again.
 */
#define _GNU_SOURCE
#include "xsmc.h"
#include "xsHost.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "serial-driver.h"

static struct {
	void *machine;
	uint32_t opening;
	int near;
	int far;	/* the far side of our own pseudo-terminal; kept open, because the near side cannot be read without it */
	GSource *source;
	gpointer tag;
} driver = { .near = -1, .far = -1 };

static void closeFiles(void)
{
	if (driver.near >= 0)
		close(driver.near);
	if (driver.far >= 0)
		close(driver.far);
	driver.near = driver.far = -1;
}

static bool makeRaw(int file)
{
	struct termios settings;
	if (tcgetattr(file, &settings))
		return false;
	cfmakeraw(&settings);
	return 0 == tcsetattr(file, TCSANOW, &settings);
}

static const char *openFiles(void)
{
	const char *path = getenv("THROWIE_SERIAL");
	if (path) {
		driver.near = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		if (driver.near < 0)
			return "THROWIE_SERIAL names nothing that can be opened";
		return makeRaw(driver.near) ? NULL : "THROWIE_SERIAL names no terminal";
	}
	driver.near = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if ((driver.near < 0) || grantpt(driver.near) || unlockpt(driver.near))
		return "no pseudo-terminal";
	driver.far = open(ptsname(driver.near), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if ((driver.far < 0) || !makeRaw(driver.far))
		return "no pseudo-terminal";
	printf("line: %s\n", ptsname(driver.near));
	fflush(stdout);
	return NULL;
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
	GIOCondition condition = g_source_query_unix_fd(source, driver.tag);
	(void)callback;
	(void)data;
	/* The line was unplugged, and stays closed until the firmware starts again. */
	if (condition & (G_IO_HUP | G_IO_ERR))
		return G_SOURCE_REMOVE;
	g_source_modify_unix_fd(source, driver.tag, G_IO_IN);
	line_deliver(driver.machine, driver.opening);
	return G_SOURCE_CONTINUE;
}

static GSourceFuncs functions = { .dispatch = dispatch };

const char *line_open(bool usb, uint32_t baud, void *machine, uint32_t opening)
{
	const char *trouble = openFiles();
	(void)usb;
	(void)baud;
	if (trouble) {
		closeFiles();
		return trouble;
	}
	driver.machine = machine;
	driver.opening = opening;
	driver.source = g_source_new(&functions, sizeof(GSource));
	driver.tag = g_source_add_unix_fd(driver.source, driver.near, G_IO_IN);
	g_source_attach(driver.source, g_main_context_get_thread_default());
	return NULL;
}

void line_close(void)
{
	g_source_destroy(driver.source);
	g_source_unref(driver.source);
	closeFiles();
}

size_t line_read(uint8_t *bytes, size_t room)
{
	ssize_t count = read(driver.near, bytes, room);
	return count > 0 ? (size_t)count : 0;
}

size_t line_write(const uint8_t *bytes, size_t length)
{
	ssize_t count = write(driver.near, bytes, length);
	size_t taken = count > 0 ? (size_t)count : 0;
	if (taken < length)
		g_source_modify_unix_fd(driver.source, driver.tag, G_IO_IN | G_IO_OUT);
	return taken;
}
