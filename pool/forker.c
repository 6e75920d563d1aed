/* forker.c - a process that forks others.
 *
 * Vocabulary: order = one message on the control socket (SOCK_SEQPACKET: whole or not at all, so
 * that many threads may send without a lock); child = what an order made, known by a number that is
 * never used twice.
 * The forker is one loop: orders, and SIGCHLD by signalfd. It reaps, so that a number in its table
 * always names a process of its own. */
#include "pool/forker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/mem.h"

enum { CONTROL_FD = 3, FIRST_FREE_FD = 4 };

enum order_kind { ORDER_SPAWN = 1, ORDER_KILL };

struct order {
	uint64_t child;
	uint32_t kind; /* enum order_kind */
	uint32_t none;
};

struct forker {
	int control;
	pid_t pid;
	atomic_ullong last_child;
};

/* ---- in the forker's process ---- */

struct child {
	uint64_t number;
	pid_t pid; /* 0: this place is free */
};

struct loop {
	forker_serve_fn *serve;
	int signals;
	struct child children[FORKER_CHILDREN_MAX];
};

/* What /proc/PID/environ shows is the memory itself: forgetting the pointers is not enough. */
static void wipe_environment(void)
{
	for (char **entry = environ; entry && *entry; entry++)
		mem_wipe(*entry, strlen(*entry));
	clearenv();
}

/* They come to all processes of a terminal or of a service: it is the program that ends or reloads,
 * and the forker ends with it. */
static void ignore_signals(void)
{
	static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE};
	struct sigaction ignore = {.sa_handler = SIG_IGN}, usual = {.sa_handler = SIG_DFL};

	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		sigaction(ignored[i], &ignore, NULL);
	sigaction(SIGCHLD, &usual, NULL);
}

/* False where the parent is gone already: PDEATHSIG would never come. */
static bool die_with(pid_t parent)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
}

/* Where memory runs out, a helper goes before the program. */
static void offer_to_oom(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, "1000", 4);
	close(fd);
}

static _Noreturn void become_child(const struct loop *loop, pid_t forker, int fd)
{
	sigset_t none;

	if (!die_with(forker))
		_exit(EXIT_FAILURE);
	prctl(PR_SET_NAME, "batchgate-help");
	offer_to_oom();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(fd, CONTROL_FD) < 0 || close_range(FIRST_FREE_FD, ~0U, 0) != 0)
		_exit(EXIT_FAILURE);
	loop->serve(CONTROL_FD);
	_exit(EXIT_SUCCESS);
}

/* Without a place or a process the socket's end is closed, which is the answer. */
static void spawn(struct loop *loop, uint64_t number, int fd)
{
	struct child *place = loop->children, *end = place + FORKER_CHILDREN_MAX;
	pid_t self = getpid(), pid;

	while (place < end && place->pid != 0)
		place++;
	if (fd < 0 || place == end)
		return;
	pid = fork();
	if (pid == 0)
		become_child(loop, self, fd);
	if (pid > 0)
		*place = (struct child){number, pid};
}

static void kill_child(struct loop *loop, uint64_t number)
{
	for (size_t i = 0; i < FORKER_CHILDREN_MAX; i++)
		if (loop->children[i].pid != 0 && loop->children[i].number == number)
			kill(loop->children[i].pid, SIGKILL);
}

static void reap(struct loop *loop)
{
	struct signalfd_siginfo info;
	pid_t pid;

	while (read(loop->signals, &info, sizeof info) > 0)
		continue;
	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (size_t i = 0; i < FORKER_CHILDREN_MAX; i++)
			if (loop->children[i].pid == pid)
				loop->children[i].pid = 0;
}

static int attached_fd(struct msghdr *message)
{
	struct cmsghdr *head = CMSG_FIRSTHDR(message);
	int fd;

	if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS ||
		head->cmsg_len != CMSG_LEN(sizeof fd))
		return -1;
	memcpy(&fd, CMSG_DATA(head), sizeof fd);
	return fd;
}

/* False: the program is gone. */
static bool take_order(struct loop *loop)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} attached;
	struct order order;
	struct iovec part = {&order, sizeof order};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &attached,
		.msg_controllen = sizeof attached};
	ssize_t got = recvmsg(CONTROL_FD, &message, MSG_CMSG_CLOEXEC);
	int fd;

	if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
		return false;
	if (got != sizeof order)
		return true;
	fd = attached_fd(&message);
	if (order.kind == ORDER_SPAWN)
		spawn(loop, order.child, fd);
	else
		kill_child(loop, order.child);
	if (fd >= 0)
		close(fd);
	return true;
}

static void end_children(struct loop *loop)
{
	for (size_t i = 0; i < FORKER_CHILDREN_MAX; i++)
		if (loop->children[i].pid != 0)
			kill(loop->children[i].pid, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		continue;
}

static _Noreturn void run(forker_serve_fn *serve, pid_t program, int control)
{
	static struct loop loop;
	struct pollfd watched[2] = {{.fd = CONTROL_FD, .events = POLLIN}, {.events = POLLIN}};
	sigset_t child;

	if (!die_with(program))
		_exit(EXIT_FAILURE);
	prctl(PR_SET_NAME, "batchgate-fork");
	prctl(PR_SET_DUMPABLE, 0);
	wipe_environment();
	ignore_signals();
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_SETMASK, &child, NULL);
	if (dup2(control, CONTROL_FD) < 0 || close_range(FIRST_FREE_FD, ~0U, 0) != 0)
		_exit(EXIT_FAILURE);
	loop.serve = serve;
	loop.signals = signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);
	watched[1].fd = loop.signals;
	while (loop.signals >= 0) {
		if (poll(watched, 2, -1) < 0 && errno != EINTR)
			break;
		if (watched[1].revents)
			reap(&loop);
		if (watched[0].revents && !take_order(&loop))
			break;
	}
	end_children(&loop);
	_exit(EXIT_SUCCESS);
}

/* ---- in the program ---- */

enum err_code forker_start(forker_serve_fn *serve, struct forker **ret_forker, struct err *err)
{
	struct forker *forker;
	pid_t program = getpid(), pid;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return err_set(
			err, ERR_IO, "no socket for the helper processes: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		run(serve, program, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return err_set(err, ERR_IO, "the process that makes helpers cannot start: %s",
			strerror(errno));
	}
	forker = mem_new(sizeof *forker);
	forker->control = ends[0];
	forker->pid = pid;
	*ret_forker = forker;
	return ERR_OK;
}

void forker_stop(struct forker *forker)
{
	if (!forker)
		return;
	close(forker->control);
	while (waitpid(forker->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	mem_free(forker);
}

pid_t forker_pid(const struct forker *forker)
{
	return forker->pid;
}

/* fd -1: nothing goes along. */
static enum err_code send_order(struct forker *forker, enum order_kind kind, uint64_t child, int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} attached = {.bytes = {0}};
	struct order order = {.child = child, .kind = kind};
	struct iovec part = {&order, sizeof order};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0) {
		attached.head.cmsg_level = SOL_SOCKET;
		attached.head.cmsg_type = SCM_RIGHTS;
		attached.head.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&attached.head), &fd, sizeof fd);
		message.msg_control = &attached;
		message.msg_controllen = sizeof attached;
	}
	while (sendmsg(forker->control, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		if (errno == EINTR)
			continue;
		return errno == EPIPE || errno == ECONNRESET ? ERR_IO : ERR_BUSY;
	}
	return ERR_OK;
}

enum err_code forker_spawn(struct forker *forker, int *ret_fd, uint64_t *ret_child)
{
	uint64_t child = atomic_fetch_add(&forker->last_child, 1) + 1;
	int ends[2];
	enum err_code code;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return ERR_IO;
	code = send_order(forker, ORDER_SPAWN, child, ends[1]);
	close(ends[1]);
	if (code != ERR_OK) {
		close(ends[0]);
		return code;
	}
	*ret_fd = ends[0];
	*ret_child = child;
	return ERR_OK;
}

enum err_code forker_kill(struct forker *forker, uint64_t child)
{
	return send_order(forker, ORDER_KILL, child, -1);
}
