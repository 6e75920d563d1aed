/* run_output.c - where the results of `batchgate run` go: whole lines, to standard output or a file
 * that is never overwritten. */
#include "cli/run_output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

enum { KEPT_BYTES = 1024 * 1024, TRIES = 8 };

static bool is_regular(int fd)
{
	struct stat about;

	return fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

void run_output_init(struct run_output *output)
{
	*output = (struct run_output){.fd = STDOUT_FILENO, .regular = is_regular(STDOUT_FILENO)};
	buf_init(&output->pending, SIZE_MAX / 2);
}

void run_output_close(struct run_output *output)
{
	if (output->path && output->fd >= 0)
		close(output->fd);
	mem_free(output->path);
	buf_free(&output->pending);
	output->path = NULL;
}

static enum err_code refuse(struct err *err, enum err_code code, const char *path, const char *what)
{
	return err_set(err, code, "%.300s: %s", path, what);
}

/* The name may have got another file while we waited for none: --retry-failed renames. */
static bool is_still_there(int fd, const char *path)
{
	struct stat ours, named;

	return fstat(fd, &ours) == 0 && stat(path, &named) == 0 && ours.st_dev == named.st_dev &&
	       ours.st_ino == named.st_ino;
}

static enum err_code open_locked(const char *path, bool resume, int *ret_fd, struct err *err)
{
	struct stat about;
	/* A pipe that is open for reading too never tells that nobody reads it. */
	bool special = stat(path, &about) == 0 && !S_ISREG(about.st_mode);
	int access = special ? O_WRONLY : O_RDWR | O_CREAT;

	if (special && resume)
		return refuse(err, ERR_INVALID, path, "is no file that can be resumed");
	for (int i = 0; i < TRIES; i++) {
		int fd = open(path, access | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
		int failed;

		if (fd < 0)
			return refuse(err, ERR_INVALID, path, strerror(errno));
		if (!is_regular(fd) && !resume) {
			*ret_fd = fd;
			return ERR_OK;
		}
		failed = flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
		if (!failed && is_still_there(fd, path)) {
			*ret_fd = fd;
			return ERR_OK;
		}
		close(fd);
		if (failed == EWOULDBLOCK)
			return refuse(err, ERR_INVALID, path, "another run is writing to it");
		if (failed)
			return refuse(err, ERR_INVALID, path, strerror(failed));
	}
	return refuse(err, ERR_INVALID, path, "it is being replaced again and again");
}

/* The file's own name: what stands beside it must not depend on how it was called. */
static char *real_path(const char *path)
{
	char room[PATH_MAX];
	const char *real = realpath(path, room);

	return real ? mem_copy(real, strlen(real)) : mem_copy(path, strlen(path));
}

enum err_code run_output_open(
	struct run_output *output, const char *path, bool resume, struct err *err)
{
	struct stat about;
	int fd = -1;
	bool created = access(path, F_OK) != 0;
	enum err_code code = open_locked(path, resume, &fd, err);

	if (code != ERR_OK)
		return code;
	output->path = real_path(path);
	if (!output->path) {
		close(fd);
		return err_set(err, ERR_NOMEM, "no memory");
	}
	output->fd = fd;
	output->regular = is_regular(fd);
	output->created = created;
	if (!resume && output->regular && fstat(fd, &about) == 0 && about.st_size > 0)
		return refuse(err, ERR_INVALID, path,
			"is there and not empty: results are never overwritten; go on with it with "
			"--resume, or name another file");
	return ERR_OK;
}

int run_output_beside(const char *path)
{
	if (unlink(path) != 0 && errno != ENOENT)
		return -1;
	return open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
}

enum err_code run_output_replace(
	struct run_output *output, int fd, const char *path, struct err *err)
{
	/* Locked before it has the name, so that at no moment the name stands for an unlocked one.
	 */
	bool ok = fsync(fd) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
		  rename(path, output->path) == 0;
	int failed = errno;

	if (!ok) {
		close(fd);
		return refuse(err, ERR_IO, path, strerror(failed));
	}
	close(output->fd);
	output->fd = fd;
	return ERR_OK;
}

enum err_code run_output_add(struct run_output *output, struct span line)
{
	if (buf_reserve(&output->pending, line.len + 1) != ERR_OK)
		return ERR_NOMEM;
	buf_add(&output->pending, line.ptr, line.len);
	return buf_add_char(&output->pending, '\n');
}

size_t run_output_waiting(const struct run_output *output)
{
	return output->pending.len - output->written;
}

static void all_written(struct run_output *output)
{
	output->written = 0;
	if (output->pending.capacity > KEPT_BYTES)
		buf_free(&output->pending);
	else
		buf_clear(&output->pending);
}

/* A pipe that poll calls writable takes so much without blocking. */
static bool takes_some(const struct run_output *output)
{
	struct pollfd ask = {.fd = output->fd, .events = POLLOUT};

	return output->regular || (poll(&ask, 1, 0) > 0);
}

enum run_output_state run_output_write(struct run_output *output)
{
	while (run_output_waiting(output) > 0) {
		size_t len = run_output_waiting(output);
		ssize_t put;

		if (!takes_some(output))
			return RUN_OUTPUT_BLOCKED;
		if (!output->regular && len > PIPE_BUF)
			len = PIPE_BUF;
		put = write(output->fd, output->pending.ptr + output->written, len);
		if (put >= 0)
			output->written += (size_t)put;
		else if (errno == EINTR && output->regular)
			continue;
		else if (errno == EINTR || errno == EAGAIN)
			return RUN_OUTPUT_BLOCKED;
		else
			return errno == EPIPE ? RUN_OUTPUT_GONE : RUN_OUTPUT_FAILED;
	}
	all_written(output);
	return RUN_OUTPUT_DONE;
}
