/*
 * The contract of a radio must also hold for the firmware's radio on Linux, and a test machine has no SDK to build it.
 * This program runs that radio in a process of its own. It links XS as @agoric/xsnap builds it with the shipped
 * binding, driver and plain C (modules/espnow), and evaluates the bundle of test/xs/radio-end.ts: the shipped class and
 * a probe.
 *
 * The argument is the bundle. Each line of standard input is an order (test/radio-probe.ts), and each order is answered
 * by one line. The end of the input ends the process. Orders and the driver's messages arrive through one GLib loop, as
 * on a desk.
 */
#include "xs.h"

#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES_MAX 65536

extern void fxInitializeSharedCluster(void);
extern void xs_espnow_destructor(void *data);

#define NATIVES(X)                                                                                                      \
  X(xs_espnow_open)                                                                                                    \
  X(xs_espnow_close)                                                                                                   \
  X(xs_espnow_queue_frames)                                                                                            \
  X(xs_espnow_full)                                                                                                    \
  X(xs_espnow_send)                                                                                                    \
  X(xs_espnow_take)                                                                                                    \
  X(xs_espnow_count)                                                                                                   \
  X(xs_espnow_last_error)

#define DECLARE(name) extern void name(xsMachine *the);
NATIVES(DECLARE)

static struct {
  xsMachine *machine;
  char line[LINE_BYTES_MAX];
  size_t filled;
} end;

static void fail(const char *what) {
  fprintf(stderr, "radio-end: %s\n", what);
  exit(1);
}

/* Makes an object that can hold data of the C, as the SDK's Native does. */
static void new_host_object(xsMachine *the) {
  xsResult = xsNewHostObject(xs_espnow_destructor);
}

static void define_natives(xsMachine *the) {
#define DEFINE(name) xsSet(xsGlobal, xsID(#name), xsNewHostFunction(name, 4));
  NATIVES(DEFINE)
  DEFINE(new_host_object)
}

static void evaluate(const char *path) {
  gchar *script;
  if (!g_file_get_contents(path, &script, NULL, NULL)) fail("the bundle cannot be read");
  xsBeginHost(end.machine);
  xsTry {
    define_natives(the);
    xsCall1(xsGlobal, xsID("eval"), xsString(script));
  }
  xsCatch {
    fail(xsToString(xsException));
  }
  xsEndHost(end.machine);
  g_free(script);
}

static void answer(const char *order) {
  xsBeginHost(end.machine);
  xsTry {
    xsResult = xsCall1(xsGlobal, xsID("obey"), xsString(order));
    printf("%s\n", xsToString(xsResult));
    fflush(stdout);
  }
  xsCatch {
    fail(xsToString(xsException));
  }
  xsEndHost(end.machine);
}

static gboolean readable(gint input, GIOCondition condition, gpointer loop) {
  (void)condition;
  const ssize_t bytes = read(input, end.line + end.filled, LINE_BYTES_MAX - 1 - end.filled);
  if (bytes <= 0) {
    if (bytes < 0 && errno == EINTR) return G_SOURCE_CONTINUE;
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
  }
  end.filled += (size_t)bytes;
  end.line[end.filled] = 0;
  char *newline;
  while ((newline = strchr(end.line, '\n')) != NULL) {
    *newline = 0;
    answer(end.line);
    end.filled -= (size_t)(newline + 1 - end.line);
    memmove(end.line, newline + 1, end.filled + 1);
  }
  if (end.filled == LINE_BYTES_MAX - 1) fail("an order is longer than the line buffer");
  return G_SOURCE_CONTINUE;
}

int main(int count, char **words) {
  static xsCreation creation = {
    .initialChunkSize = 4 * 1024 * 1024,
    .incrementalChunkSize = 1024 * 1024,
    .initialHeapCount = 64 * 1024,
    .incrementalHeapCount = 16 * 1024,
    .stackCount = 4096,
    .initialKeyCount = 8000,
    .incrementalKeyCount = 1000,
    .nameModulo = 1993,
    .symbolModulo = 127,
    .parserBufferSize = 1024 * 1024,
    .parserTableModulo = 1993,
  };
  if (count != 2) fail("usage: radio-end <bundle>");
  fxInitializeSharedCluster();
  end.machine = xsCreateMachine(&creation, "radio-end", NULL);
  if (end.machine == NULL) fail("XS could not create a machine");
  evaluate(words[1]);
  GMainLoop *loop = g_main_loop_new(NULL, FALSE);
  g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, readable, loop);
  g_main_loop_run(loop);
  xsDeleteMachine(end.machine);
  return 0;
}
