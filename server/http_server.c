/* http_server.c - the HTTP front: life cycle, policy.
 *
 * Threads: the loops', each with its share of the connections, and the watcher's. Stopping waits on
 * an eventfd for two counts under the lock: requests that are not answered yet (bounded by the
 * grace), and threads that are inside exchange_reply* (always: they still touch the daemon). */
#include "server/http_server_parts.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "server/listener.h"

enum { SPARE_CONNECTIONS = 64 };

static struct policy *make_policy(struct config *config, struct err *err)
{
	struct policy *policy = mem_try(sizeof *policy);

	if (!policy) {
		err_set(err, ERR_NOMEM, "no memory for the HTTP server's policy");
		return NULL;
	}
	if (auth_new(config, &policy->auth, err) != ERR_OK) {
		mem_free(policy);
		return NULL;
	}
	atomic_init(&policy->refs, 1);
	policy->config = config_ref(config);
	return policy;
}

void http_server_unref_policy(struct policy *policy)
{
	if (!policy || atomic_fetch_sub(&policy->refs, 1) != 1)
		return;
	auth_destroy(policy->auth);
	config_unref(policy->config);
	mem_free(policy);
}

static struct policy *policy_locked(struct http_server *server) REQUIRES(server->lock)
{
	atomic_fetch_add(&server->shared.policy->refs, 1);
	return server->shared.policy;
}

struct policy *http_server_policy(struct http_server *server)
{
	struct policy *policy;

	mutex_lock(&server->lock);
	policy = policy_locked(server);
	mutex_unlock(&server->lock);
	return policy;
}

static struct policy *swap_policy_locked(struct http_server *server, struct policy *policy)
	REQUIRES(server->lock)
{
	struct policy *old = server->shared.policy;

	server->shared.policy = policy;
	return old;
}

static struct policy *swap_policy(struct http_server *server, struct policy *policy)
{
	struct policy *old;

	mutex_lock(&server->lock);
	old = swap_policy_locked(server, policy);
	mutex_unlock(&server->lock);
	return old;
}

enum err_code http_server_configure(struct http_server *server, struct config *config)
{
	struct policy *policy = make_policy(config, NULL);

	if (!policy)
		return ERR_NOMEM;
	http_server_unref_policy(swap_policy(server, policy));
	return ERR_OK;
}

unsigned http_server_max_connections(const struct http_server *server, const struct policy *policy)
{
	unsigned max = policy->config->server.max_connections;

	return max < server->connections_max ? max : server->connections_max;
}

/* Under the lock, so that the server cannot be gone: the stopper looks at the counts under it too.
 */
static void tell_idle_locked(struct http_server *server, size_t count) REQUIRES(server->lock)
{
	uint64_t one = 1;

	if (count == 0 && server->shared.stopping && write(server->idle_fd, &one, sizeof one) < 0)
		REQUIRE(errno == EAGAIN);
}

static void count_answer_locked(struct http_server *server) REQUIRES(server->lock)
{
	server->shared.answering++;
}

static void end_answer_locked(struct http_server *server) REQUIRES(server->lock)
{
	tell_idle_locked(server, --server->shared.answering);
}

static void begin_reply_locked(struct http_server *server) REQUIRES(server->lock)
{
	server->shared.repliers++;
}

static void end_reply_locked(struct http_server *server) REQUIRES(server->lock)
{
	tell_idle_locked(server, --server->shared.repliers);
}

void http_server_count_answer(struct exchange *ex)
{
	if (ex->counted)
		return;
	ex->counted = true;
	mutex_lock(&ex->server->lock);
	count_answer_locked(ex->server);
	mutex_unlock(&ex->server->lock);
}

void http_server_end_answer(struct exchange *ex)
{
	if (!ex->counted)
		return;
	mutex_lock(&ex->server->lock);
	end_answer_locked(ex->server);
	mutex_unlock(&ex->server->lock);
}

void http_server_begin_reply(struct http_server *server)
{
	mutex_lock(&server->lock);
	begin_reply_locked(server);
	mutex_unlock(&server->lock);
}

void http_server_end_reply(struct http_server *server)
{
	mutex_lock(&server->lock);
	end_reply_locked(server);
	mutex_unlock(&server->lock);
}

enum err_code http_server_new(
	const struct http_server_options *options, struct http_server **ret_server, struct err *err)
{
	struct http_server *server = mem_try(sizeof *server);
	struct policy *policy;
	enum err_code code = ERR_NOMEM;

	if (!server)
		return err_set(err, ERR_NOMEM, "no memory for the HTTP server");
	server->opt = *options;
	server->opt.config = NULL;
	server->listen_fd = -1;
	server->connections_max = options->config->server.max_connections;
	atomic_init(&server->state, HTTP_READY);
	mutex_init(&server->lock);
	server->idle_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	policy = make_policy(options->config, err);
	swap_policy(server, policy);
	if (server->idle_fd < 0)
		err_set(err, ERR_IO, "cannot make an eventfd: %s", strerror(errno));
	if (!policy || server->idle_fd < 0)
		goto fail;
	code = listener_bind(options->config->server.host, options->config->server.port,
		&server->listen_fd, &server->port, err);
	if (code != ERR_OK)
		goto fail;
	*ret_server = server;
	return ERR_OK;
fail:
	http_server_destroy(server);
	return code;
}

/* Each thread may get all of them, and some more that are answered with 503 instead of being left
 * to hang. */
size_t http_server_connection_limit(unsigned max_connections)
{
	return HTTP_THREADS * ((size_t)max_connections + SPARE_CONNECTIONS);
}

enum err_code http_server_start(struct http_server *server, struct err *err)
{
	const size_t limit = http_server_connection_limit(server->connections_max);
	enum err_code code = watcher_new(limit, &server->watcher, err);

	if (code == ERR_OK)
		code = listener_open(server->listen_fd, err);
	for (size_t i = 0; i < HTTP_THREADS && code == ERR_OK; i++)
		code = http_loop_start(
			&server->loops[i], server, (unsigned)(limit / HTTP_THREADS), err);
	return code;
}

uint16_t http_server_port(const struct http_server *server)
{
	return server->port;
}

void http_server_set_state(struct http_server *server, enum http_state state)
{
	atomic_store(&server->state, (int)state);
}

enum http_state http_server_state(const struct http_server *server)
{
	return (enum http_state)atomic_load(&server->state);
}

size_t http_server_connections(const struct http_server *server)
{
	return atomic_load(&server->connections);
}

static void set_stopping_locked(struct http_server *server) REQUIRES(server->lock)
{
	server->shared.stopping = true;
}

static void read_counts_locked(struct http_server *server, size_t *ret_answering,
	size_t *ret_repliers) REQUIRES(server->lock)
{
	*ret_answering = server->shared.answering;
	*ret_repliers = server->shared.repliers;
}

static int poll_ms(uint64_t deadline_us)
{
	uint64_t now = clock_us(), left;

	if (deadline_us == CLOCK_NEVER)
		return -1;
	left = deadline_us > now ? (deadline_us - now + 999) / 1000 : 0;
	return left > INT32_MAX ? INT32_MAX : (int)left;
}

/* Until nobody is inside exchange_reply*, and until then or the deadline for the answers. */
static void wait_idle(struct http_server *server, uint64_t deadline_us)
{
	struct pollfd idle = {.fd = server->idle_fd, .events = POLLIN};
	size_t answering, repliers;
	uint64_t told;

	for (;;) {
		mutex_lock(&server->lock);
		read_counts_locked(server, &answering, &repliers);
		mutex_unlock(&server->lock);
		if (repliers == 0 && (answering == 0 || clock_us() >= deadline_us))
			return;
		poll(&idle, 1, poll_ms(clock_us() < deadline_us ? deadline_us : CLOCK_NEVER));
		if (read(server->idle_fd, &told, sizeof told) < 0)
			REQUIRE(errno == EAGAIN);
	}
}

void http_server_stop(struct http_server *server, uint64_t grace_ms)
{
	if (server->listen_fd < 0)
		return;
	http_server_set_state(server, HTTP_DRAINING);
	mutex_lock(&server->lock);
	set_stopping_locked(server);
	mutex_unlock(&server->lock);
	wait_idle(server, clock_add(clock_us(), grace_ms * 1000));
	for (size_t i = 0; i < HTTP_THREADS; i++)
		http_loop_stop(&server->loops[i]);
	close(server->listen_fd);
	server->listen_fd = -1;
}

void http_server_destroy(struct http_server *server)
{
	if (!server)
		return;
	http_server_stop(server, 0);
	watcher_destroy(server->watcher);
	if (server->idle_fd >= 0)
		close(server->idle_fd);
	http_server_unref_policy(swap_policy(server, NULL));
	mutex_free(&server->lock);
	mem_free(server);
}
