/*
 * Tests of a serial port need a port, and a test machine has none. This program opens a pseudo-terminal and links the
 * name in its first argument to the far side. It copies bytes between the near side and standard input and output.
 * When standard input ends, the program hangs up the terminal. A program on the far side sees the same as when a USB
 * adapter is pulled out.
 *
 * This is C of our own and not a package. The tests need a C compiler anyway (for XS), and another native package would
 * be another package whose build may fail. The serial library's own mock is no terminal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PIECE_BYTES 4096
#define PATH_BYTES 1024

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* Renames a finished link, so that the name always points to a whole terminal: the old one or this one. */
static void name(const char *path, const char *terminal)
{
	char draft[PATH_BYTES];
	if (snprintf(draft, sizeof(draft), "%s.%d", path, getpid()) >= (int)sizeof(draft))
		exit(1);
	if (symlink(terminal, draft) || rename(draft, path))
		fail(path);
}

/* Bytes that were read and are not written yet. */
typedef struct {
	unsigned char bytes[PIECE_BYTES];
	size_t at, end;
} Piece;

/* Reads the next piece. Returns 0 when the source has ended. */
static int take(Piece *piece, int from)
{
	ssize_t count = read(from, piece->bytes, sizeof(piece->bytes));
	if (count < 0)
		return (EAGAIN == errno) || (EINTR == errno);
	piece->at = 0;
	piece->end = (size_t)count;
	return count > 0;
}

/* Writes as much of the piece as the target takes. Returns 0 when the target is gone. */
static int give(Piece *piece, int to)
{
	ssize_t count = write(to, piece->bytes + piece->at, piece->end - piece->at);
	if (count < 0)
		return (EAGAIN == errno) || (EINTR == errno);
	piece->at += (size_t)count;
	return 1;
}

int main(int count, char *words[])
{
	static Piece in, out;
	struct termios settings;
	int near = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	if ((2 != count) || (near < 0) || grantpt(near) || unlockpt(near))
		fail("pty");
	/* The program keeps the far side open, because the near side cannot be read while the far side is closed. */
	int far = open(ptsname(near), O_RDWR | O_NOCTTY);
	if ((far < 0) || tcgetattr(far, &settings))
		fail("pty");
	cfmakeraw(&settings);
	if (tcsetattr(far, TCSANOW, &settings))
		fail("pty");
	name(words[1], ptsname(near));
	if (1 != write(STDERR_FILENO, "\n", 1))
		return 1;
	for (;;) {
		int inFull = in.at < in.end, outFull = out.at < out.end;
		struct pollfd polls[] = {
			{ inFull ? -1 : STDIN_FILENO, POLLIN, 0 },
			{ near, (short)((inFull ? POLLOUT : 0) | (outFull ? 0 : POLLIN)), 0 },
			{ outFull ? STDOUT_FILENO : -1, POLLOUT, 0 },
		};
		if ((poll(polls, 3, -1) < 0) && (EINTR != errno))
			fail("poll");
		if ((polls[0].revents & (POLLIN | POLLHUP)) && !take(&in, STDIN_FILENO))
			return 0;
		if ((polls[1].revents & POLLOUT) && !give(&in, near))
			return 1;
		if ((polls[1].revents & POLLIN) && !take(&out, near))
			return 1;
		if ((polls[2].revents & (POLLOUT | POLLERR)) && !give(&out, STDOUT_FILENO))
			return 1;
	}
}
