/* health.c - `batchgate health`: is the server of this configuration alive? */
#include "cli/health.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/settings.h"
#include "common/exit_code.h"

enum { TIME_MAX_S = 3, ANSWER_MAX_BYTES = 4 << 10 };

/* One clock over all of it: reading files, the look-up of a name and the answer. */
static void end_late(int number)
{
	static const char text[] = "batchgate health: no answer within 3 s\n";
	ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);

	(void)number;
	(void)written;
	_exit(EXIT_FAILED);
}

static void start_clock(void)
{
	struct sigaction action = {.sa_handler = end_late};

	sigaction(SIGALRM, &action, NULL);
	alarm(TIME_MAX_S);
}

/* What is bound to every address is asked on this machine's own. */
static const char *ask_where(const char *host)
{
	if (strcmp(host, "0.0.0.0") == 0)
		return "127.0.0.1";
	return strcmp(host, "::") == 0 ? "::1" : host;
}

static int dial_one(const struct addrinfo *address)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), failed;

	if (fd < 0 || connect(fd, address->ai_addr, address->ai_addrlen) == 0)
		return fd;
	failed = errno;
	close(fd);
	errno = failed;
	return -1;
}

static enum err_code dial(const char *host, uint16_t port, int *ret_fd, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV},
			*list = NULL;
	char digits[8];
	int fd = -1, failed;

	snprintf(digits, sizeof digits, "%u", (unsigned)port);
	failed = getaddrinfo(host, digits, &hints, &list);
	if (failed)
		return err_set(err, ERR_IO, "%s", gai_strerror(failed));
	for (const struct addrinfo *one = list; one && fd < 0; one = one->ai_next)
		fd = dial_one(one);
	freeaddrinfo(list);
	if (fd < 0)
		return err_set(err, ERR_IO, "%s", strerror(errno));
	*ret_fd = fd;
	return ERR_OK;
}

static enum err_code send_request(int fd, struct err *err)
{
	static const char text[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
				   "User-Agent: batchgate/" BATCHGATE_VERSION "\r\n"
				   "Connection: close\r\n\r\n";

	if (send(fd, text, sizeof text - 1, MSG_NOSIGNAL) != (ssize_t)sizeof text - 1)
		return err_set(err, ERR_IO, "%s", strerror(errno));
	return ERR_OK;
}

/* Up to the end, or as much as a good answer could have. */
static enum err_code read_answer(int fd, char ret_answer[ANSWER_MAX_BYTES], struct err *err)
{
	size_t len = 0;
	ssize_t got;

	do {
		got = recv(fd, ret_answer + len, ANSWER_MAX_BYTES - 1 - len, 0);
		if (got > 0)
			len += (size_t)got;
	} while (got > 0 && len < ANSWER_MAX_BYTES - 1);
	ret_answer[len] = '\0';
	if (got < 0)
		return err_set(err, ERR_IO, "%s", strerror(errno));
	return ERR_OK;
}

static enum err_code judge(const char *answer, struct err *err)
{
	int status = 0;

	if (sscanf(answer, "HTTP/1.%*1d %3d ", &status) != 1)
		return err_set(err, ERR_IO, "%s",
			*answer ? "what answers does not speak HTTP" : "closed without an answer");
	if (status != 200)
		return err_set(err, ERR_IO, "answered with status %d", status);
	if (!strstr(answer, "\r\n\r\n{\"status\": \"ok\"}"))
		return err_set(err, ERR_IO, "answered, but not as batchgate does");
	return ERR_OK;
}

static enum err_code ask(const char *host, uint16_t port, struct err *err)
{
	char answer[ANSWER_MAX_BYTES];
	int fd = -1;
	enum err_code code = dial(host, port, &fd, err);

	if (code != ERR_OK)
		return code;
	code = send_request(fd, err);
	if (code == ERR_OK)
		code = read_answer(fd, answer, err);
	if (code == ERR_OK)
		code = judge(answer, err);
	close(fd);
	return code;
}

static int tell(const struct config *config)
{
	const char *host = ask_where(config->server.host);
	struct err err;

	if (config->server.port == 0) {
		fprintf(stderr, "batchgate health: server.port is 0, a free one: say which it is, "
				"--server-port=PORT\n");
		return EXIT_USAGE;
	}
	if (ask(host, config->server.port, &err) == ERR_OK)
		return EXIT_CLEAN;
	fprintf(stderr, "batchgate health: %s port %u: %s\n", host, (unsigned)config->server.port,
		err.detail);
	return EXIT_FAILED;
}

int health_run(int argc, char *const *argv, char *const *env)
{
	struct config *config;
	int status = EXIT_USAGE;

	start_clock();
	config = settings_load_address("health", argc, argv, env);
	if (config)
		status = tell(config);
	config_unref(config);
	alarm(0);
	return status;
}
