/* http_server.c - the HTTP front: life cycle, policy.
 *
 * Threads: the loops', each with its share of the connections, and the watcher's. Stopping waits on
 * an eventfd for two counts under the lock: requests that are not answered yet (bounded by the
 * grace), and threads that are inside exchange_reply* (always: they still touch the daemon). */
#include "server/http_server_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "server/listener.h"

static enum err_code make_policy(struct config *config, struct policy **ret_policy, struct err *err)
{
	struct policy *policy = mem_try(sizeof *policy);
	enum err_code code;

	if (!policy)
		return err_set(err, ERR_NOMEM, "no memory for the HTTP server's policy");
	code = auth_new(config, &policy->auth, err);
	if (code != ERR_OK) {
		mem_free(policy);
		return code;
	}
	atomic_init(&policy->refs, 1);
	policy->config = config_ref(config);
	*ret_policy = policy;
	return ERR_OK;
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
	struct policy *policy = NULL;
	enum err_code code = make_policy(config, &policy, NULL);

	if (code == ERR_OK)
		http_server_unref_policy(swap_policy(server, policy));
	return code;
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
	struct policy *policy = NULL;
	enum err_code code;

	if (!server)
		return err_set(err, ERR_NOMEM, "no memory for the HTTP server");
	server->opt = *options;
	server->opt.config = NULL;
	server->listen_fd = -1;
	server->connections_max = options->config->server.max_connections;
	atomic_init(&server->state, HTTP_READY);
	mutex_init(&server->lock);
	server->idle_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	code = server->idle_fd >= 0
		       ? make_policy(options->config, &policy, err)
		       : err_set(err, ERR_IO, "cannot make an eventfd: %s", strerror(errno));
	if (code == ERR_OK) {
		swap_policy(server, policy);
		code = listener_bind(options->config->server.host, options->config->server.port,
			&server->listen_fd, &server->port, err);
	}
	if (code != ERR_OK) {
		http_server_destroy(server);
		return code;
	}
	*ret_server = server;
	return ERR_OK;
}

/* One more a thread is being looked at. */
size_t http_server_connection_limit(unsigned max_connections)
{
	return (size_t)max_connections + HTTP_SPARE + HTTP_THREADS * (size_t)(HTTP_ROOM + 1);
}

enum err_code http_server_start(struct http_server *server, struct err *err)
{
	const size_t limit = (size_t)server->connections_max + HTTP_SPARE;
	enum err_code code = watcher_new(limit, &server->watcher, err);

	if (code == ERR_OK)
		code = listener_open(server->listen_fd, err);
	for (size_t i = 0; i < HTTP_THREADS && code == ERR_OK; i++)
		code = http_loop_start(&server->loops[i], server, (unsigned)limit, err);
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

const char *http_server_library_version(void)
{
	return MHD_get_version();
}

/* libmicrohttpd 1.0.5 is the first that refuses every field that must not come twice. */
bool http_server_library_is_strict(void)
{
	unsigned major = 0, minor = 0, patch = 0;

	if (sscanf(MHD_get_version(), "%u.%u.%u", &major, &minor, &patch) < 2)
		return false;
	if (major != 1)
		return major > 1;
	return minor > 0 || patch >= 5;
}
