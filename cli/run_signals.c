/* run_signals.c - Ctrl-C and SIGTERM of `batchgate run`: counted, and told through a descriptor. */
#include "cli/run_signals.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { ENOUGH = 3 };

/* A handler gets nothing but the number. */
static atomic_uint count;
static atomic_int last, wake_fd;

void run_signals_wake(int fd)
{
	uint64_t one = 1;
	ssize_t put = write(fd, &one, sizeof one);

	(void)put; /* a full counter is readable already */
}

static void on_signal(int number)
{
	int kept = errno;

	atomic_store(&last, number);
	if (atomic_fetch_add(&count, 1) + 1 >= ENOUGH)
		_exit(128 + number);
	run_signals_wake(atomic_load(&wake_fd));
	errno = kept;
}

enum err_code run_signals_begin(int *ret_fd, struct err *err)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN}, stop = {.sa_handler = on_signal};
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return err_set(err, ERR_IO, "no eventfd: %s", strerror(errno));
	atomic_store(&wake_fd, fd);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	*ret_fd = fd;
	return ERR_OK;
}

unsigned run_signals_count(void)
{
	return atomic_load(&count);
}

int run_signals_last(void)
{
	return atomic_load(&last);
}
