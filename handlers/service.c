/* service.c - what the routes stand on: the pool, the budget, the current configuration. */
#include "handlers/service.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "handlers/routes.h"

enum { TAKE_OVER_US = 3000000 };

void service_init(struct service *service, size_t memory_bytes)
{
	*service = (struct service){.budget = {.limit = memory_bytes}};
	pace_init(&service->pace);
	mutex_init(&service->lock);
	service->shared.idle_fd = -1;
}

void service_free(struct service *service)
{
	REQUIRE(service->shared.running == 0);
	snapshot_unref(service->shared.snapshot);
	mutex_free(&service->lock);
}

struct snapshot *snapshot_new(
	struct config *config, struct guard *guard, struct endpoint_set *endpoints)
{
	struct snapshot *snapshot = mem_try(sizeof *snapshot);

	if (!snapshot)
		return NULL;
	atomic_init(&snapshot->refs, 1);
	snapshot->config = config_ref(config);
	snapshot->guard = guard_ref(guard);
	snapshot->endpoints = endpoint_set_ref(endpoints);
	return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
	if (!snapshot || atomic_fetch_sub(&snapshot->refs, 1) != 1)
		return;
	endpoint_set_unref(snapshot->endpoints);
	guard_unref(snapshot->guard);
	config_unref(snapshot->config);
	mem_free(snapshot);
}

static struct snapshot *swap_locked(struct service *service, struct snapshot *snapshot)
	REQUIRES(service->lock)
{
	struct snapshot *old = service->shared.snapshot;

	service->shared.snapshot = snapshot;
	return old;
}

void service_set(struct service *service, struct snapshot *snapshot)
{
	struct snapshot *old;

	mutex_lock(&service->lock);
	old = swap_locked(service, snapshot);
	mutex_unlock(&service->lock);
	snapshot_unref(old);
}

static struct snapshot *take_locked(struct service *service) REQUIRES(service->lock)
{
	atomic_fetch_add(&service->shared.snapshot->refs, 1);
	return service->shared.snapshot;
}

struct snapshot *service_snapshot(struct service *service)
{
	struct snapshot *snapshot;

	mutex_lock(&service->lock);
	snapshot = take_locked(service);
	mutex_unlock(&service->lock);
	return snapshot;
}

static bool enter_locked(struct service *service) REQUIRES(service->lock)
{
	if (service->shared.closed)
		return false;
	service->shared.running++;
	return true;
}

bool service_enter(struct service *service)
{
	bool entered;

	mutex_lock(&service->lock);
	entered = enter_locked(service);
	mutex_unlock(&service->lock);
	return entered;
}

static int leave_locked(struct service *service) REQUIRES(service->lock)
{
	REQUIRE(service->shared.running > 0);
	return --service->shared.running == 0 ? service->shared.idle_fd : -1;
}

/* A full counter is fine: the descriptor is readable then, which is all that it says. */
static void tell_idle(int idle_fd)
{
	const uint64_t one = 1;

	while (idle_fd >= 0 && write(idle_fd, &one, sizeof one) < 0 && errno == EINTR)
		continue;
}

void service_leave(struct service *service)
{
	int idle_fd;

	mutex_lock(&service->lock);
	idle_fd = leave_locked(service);
	mutex_unlock(&service->lock);
	tell_idle(idle_fd);
}

static size_t running_locked(struct service *service) REQUIRES(service->lock)
{
	return service->shared.running;
}

size_t service_running(struct service *service)
{
	size_t running;

	mutex_lock(&service->lock);
	running = running_locked(service);
	mutex_unlock(&service->lock);
	return running;
}

static bool drain_locked(struct service *service, int idle_fd) REQUIRES(service->lock)
{
	service->shared.idle_fd = idle_fd;
	return service->shared.running == 0;
}

void service_drain(struct service *service, int idle_fd)
{
	bool idle;

	mutex_lock(&service->lock);
	idle = drain_locked(service, idle_fd);
	mutex_unlock(&service->lock);
	if (idle)
		tell_idle(idle_fd);
}

static void close_locked(struct service *service) REQUIRES(service->lock)
{
	service->shared.closed = true;
}

void service_close(struct service *service)
{
	mutex_lock(&service->lock);
	close_locked(service);
	mutex_unlock(&service->lock);
}

/* What is full has room again when what there is has ended. Where an instance shuts down, another
 * one takes over; all its clients learn of it at once. */
unsigned service_retry_after_s(void *arg, enum problem_code code)
{
	struct service *service = arg;

	if (code == PROBLEM_DRAINING)
		return pace_spread_s(&service->pace, TAKE_OVER_US);
	return pace_retry_after_s(&service->pace, clock_us());
}

static enum log_level level_of(unsigned status)
{
	if (status < 400)
		return LOG_DEBUG;
	return status == 500 ? LOG_ERROR : LOG_INFO;
}

/* A name that somebody made up is no label. */
static void count_named(struct service *service, const char *name, unsigned status)
{
	struct snapshot *snapshot = service_snapshot(service);
	bool known = endpoint_find(snapshot->endpoints, name);

	snapshot_unref(snapshot);
	metrics_batch(known ? name : "other", status);
}

/* Whoever refused it: it counts where all answers come by. */
static void count_batch(struct service *service, const struct exchange *ex, unsigned status)
{
	const struct http_request *request = exchange_request(ex);
	const struct route *route = exchange_route(ex);

	if (route == &batch_post_route && strcmp(request->method, route->method) == 0)
		metrics_batch("", status);
	if (route == &endpoint_post_route && strcmp(request->method, route->method) == 0)
		count_named(service, strrchr(request->path, '/') + 1, status);
}

void service_answered(
	void *service, const struct exchange *ex, unsigned status, uint64_t duration_us)
{
	const struct http_request *request = exchange_request(ex);
	enum problem_code problem = exchange_problem(ex);
	enum log_level level = level_of(status);

	count_batch(service, ex, status);
	if (!log_enabled(level))
		return;
	log_write(level, level == LOG_DEBUG ? "request" : "request_refused",
		LOG_FIELDS(LOG_S("request_id", request->request_id),
			LOG_S("caller", request->caller ? request->caller->name : NULL),
			LOG_S("method", request->method), LOG_S("path", request->path),
			LOG_S("code", problem ? problem_code_text(problem) : NULL),
			LOG_U("status", status), LOG_MS("duration_ms", duration_us)));
}
