/*
 * A serial port without a wire: opens a pseudo-terminal, gives its far side the name in the first argument, and passes
 * bytes between the near side and standard input and output. When standard input ends the terminal is hung up, which a
 * program on the far side sees as it sees a USB adapter being pulled.
 *
 * Own C rather than a package: the tests need a C compiler anyway (XS), and a native package more would be one more that
 * builds or does not; the library's own mock is no terminal.
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

/* The name always points to a whole terminal: the old one or this one. */
static void name(const char *path, const char *terminal)
{
	char draft[PATH_BYTES];
	if (snprintf(draft, sizeof(draft), "%s.%d", path, getpid()) >= (int)sizeof(draft))
		exit(1);
	if (symlink(terminal, draft) || rename(draft, path))
		fail(path);
}

/* What was read and not written yet. */
typedef struct {
	unsigned char bytes[PIECE_BYTES];
	size_t at, end;
} Piece;

/* 0: the source has ended. */
static int take(Piece *piece, int from)
{
	ssize_t count = read(from, piece->bytes, sizeof(piece->bytes));
	if (count < 0)
		return (EAGAIN == errno) || (EINTR == errno);
	piece->at = 0;
	piece->end = (size_t)count;
	return count > 0;
}

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
	/* Kept open: without anybody on the far side the near side could not be read. */
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
