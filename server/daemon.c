/* daemon.c - the life of the daemon: start, reload, drain, stop.
 *
 * Builds the parts and hands each what it needs. After the start the main thread only waits
 * (server/signals):
 *
 *   SERVING -SIGTERM-> UNREADY -drain_delay-> DRAINING -nothing runs-> stop, exit 0
 *   DRAINING -drain_timeout-> CANCELLED -nothing runs-> the same
 *
 * A second SIGTERM ends the process wherever it is. Failures before `listening` are plain text on
 * stderr; from then on there is the log. */
#include "server/daemon.h"

#include <stdio.h>
#include <unistd.h>

#include "batch/batch.h"
#include "batch/template_jq.h"
#include "common/clock.h"
#include "common/exit_code.h"
#include "common/log.h"
#include "common/loopback.h"
#include "handlers/routes.h"
#include "handlers/service.h"
#include "handlers/version.h"
#include "server/limits.h"
#include "server/notice.h"
#include "server/signals.h"

enum { REPORT_MAX_BYTES = 256 << 10, WRITE_GRACE_MS = 2000, CANCEL_MAX_MS = 10000 };

enum phase { SERVING, UNREADY, DRAINING, CANCELLED };

struct daemon {
	int argc; /* what config_load reads, at each reload again */
	char *const *argv, *const *env;
	struct config *first, *config; /* of the start, and of the last reload */
	struct forker *forker;         /* of the helper processes */
	struct signals *signals;
	struct service service;
	enum phase phase;
	uint64_t drain_end_us;
};

static enum err_code judge_endpoints(
	struct config *config, struct forker *forker, struct buf *faults)
{
	struct endpoint_set *set = NULL;
	enum err_code code = endpoint_set_new(config, 0, &set, faults);

	if (code == ERR_OK)
		code = endpoint_set_compile(set, forker, faults);
	endpoint_set_unref(set);
	return code;
}

enum err_code daemon_judge(struct config *config, struct forker *forker, struct buf *faults)
{
	struct err err;
	enum err_code code = guard_check_config(config, faults);

	if (code == ERR_OK)
		code = judge_endpoints(config, forker, faults);
	if (code != ERR_OK)
		return code;
	code = limits_open_files(config, &err);
	if (code != ERR_OK)
		buf_addf(faults, "%s\n", err.detail);
	return code;
}

/* NULL: every fault was told. Warnings wait for the log, which the configuration sets up. */
static struct config *load(const struct daemon *daemon, struct buf *warnings, notice_fn *tell)
{
	struct config *config = NULL;
	struct buf faults;
	enum err_code code;

	buf_init(&faults, REPORT_MAX_BYTES);
	code = config_load(daemon->argc, daemon->argv, daemon->env, &config, warnings, &faults);
	if (code == ERR_OK)
		code = daemon_judge(config, daemon->forker, &faults);
	if (code != ERR_OK) {
		if (faults.len == 0)
			tell("no memory for the configuration");
		notice_each(&faults, tell);
		config_unref(config);
		config = NULL;
	}
	buf_free(&faults);
	return config;
}

static void configure_log(const struct config *config)
{
	log_configure(config->log.level, config->log.format,
		(const char *const *)config->log.redact.items, config->log.redact.count);
}

static void log_start(const struct config *config, struct buf *warnings)
{
	struct library libraries[VERSION_LIBRARIES];
	struct log_field fields[VERSION_LIBRARIES + 2] = {
		LOG_S("version", BATCHGATE_VERSION), LOG_S("config", config->path)};

	version_libraries(libraries);
	for (size_t i = 0; i < VERSION_LIBRARIES; i++)
		fields[i + 2] = LOG_S(libraries[i].name, libraries[i].version);
	log_write(LOG_INFO, "starting", fields, VERSION_LIBRARIES + 2);
	notice_each(warnings, notice_warn);
	if (loopback_is(config->server.host))
		return;
	if (config->auth.allow_anonymous)
		notice_warn("auth.allow_anonymous: whoever reaches this address may have it call "
			    "what `targets` allows");
	if (!http_server_library_is_strict())
		notice_warn("put a strict HTTP proxy in front: libmicrohttpd before 1.0.5 lets "
			    "some malformed requests through");
}

static enum err_code make_endpoints(
	struct config *config, uint16_t own_port, struct endpoint_set **ret_set, struct err *err)
{
	struct buf faults;
	enum err_code code;

	buf_init(&faults, REPORT_MAX_BYTES);
	code = endpoint_set_new(config, own_port, ret_set, &faults);
	if (code != ERR_OK)
		err_set(err, code, "%s", faults.len ? faults.ptr : "no memory for the endpoints");
	buf_free(&faults);
	return code;
}

static enum err_code make_snapshot(struct daemon *daemon, struct config *config,
	struct snapshot **ret_snapshot, struct err *err)
{
	struct guard *guard = NULL;
	struct endpoint_set *endpoints = NULL;
	uint16_t own_port = http_server_port(daemon->service.server);
	enum err_code code = guard_new(config, own_port, &guard, err);
	struct snapshot *snapshot;

	if (code == ERR_OK)
		code = make_endpoints(config, own_port, &endpoints, err);
	if (code != ERR_OK) {
		guard_unref(guard);
		return code;
	}
	snapshot = snapshot_new(config, guard, endpoints);
	guard_unref(guard);
	endpoint_set_unref(endpoints);
	if (!snapshot)
		return err_set(err, ERR_NOMEM, "no memory for the configuration");
	*ret_snapshot = snapshot;
	return ERR_OK;
}

/* Binds first, so that the guard can know the port. */
static enum err_code build(struct daemon *daemon, struct err *err)
{
	struct service *service = &daemon->service;
	const struct http_server_options options = {
		.config = daemon->config,
		.routes = routes_all,
		.service = service,
		.budget = &service->budget,
		.retry_after_s = service_retry_after_s,
		.answered = service_answered,
	};
	struct snapshot *snapshot = NULL;
	enum err_code code = http_server_new(&options, &service->server, err);

	if (code == ERR_OK)
		code = pool_new(
			daemon->config, &service->budget, daemon->forker, &service->pool, err);
	if (code == ERR_OK)
		code = make_snapshot(daemon, daemon->config, &snapshot, err);
	if (code != ERR_OK)
		return code;
	service_set(service, snapshot);
	return http_server_start(service->server, err);
}

static int start(struct daemon *daemon)
{
	struct buf warnings;
	struct err err;

	buf_init(&warnings, REPORT_MAX_BYTES);
	daemon->config = load(daemon, &warnings, notice_say);
	if (!daemon->config) {
		buf_free(&warnings);
		return EXIT_USAGE;
	}
	daemon->first = config_ref(daemon->config);
	configure_log(daemon->config);
	log_start(daemon->config, &warnings);
	buf_free(&warnings);
	batch_library_init();
	service_init(&daemon->service, mem_for_requests(daemon->config->limits.memory));
	if (signals_new(&daemon->signals, &err) != ERR_OK || build(daemon, &err) != ERR_OK) {
		fprintf(stderr, "batchgate: cannot start: %s\n", err.detail);
		return EXIT_FAILED;
	}
	log_info("listening", LOG_S("host", daemon->config->server.host),
		LOG_U("port", http_server_port(daemon->service.server)));
	return EXIT_CLEAN;
}

/* All that can fail comes first: a reload that fails has changed nothing. */
static enum err_code adopt(struct daemon *daemon, struct config *next, struct err *err)
{
	struct service *service = &daemon->service;
	struct snapshot *snapshot = NULL;
	enum err_code code = make_snapshot(daemon, next, &snapshot, err);

	if (code != ERR_OK)
		return code;
	if (pool_prepare(service->pool, next) != ERR_OK ||
		http_server_configure(service->server, next) != ERR_OK) {
		snapshot_unref(snapshot);
		return err_set(err, ERR_NOMEM, "no memory for the configuration");
	}
	pool_configure(service->pool, next); /* the bounds of new endpoints come before them */
	service_set(service, snapshot);
	configure_log(next);
	config_unref(daemon->config);
	daemon->config = config_ref(next);
	return ERR_OK;
}

static void reload(struct daemon *daemon)
{
	struct config *next;
	struct buf warnings;
	struct err err;

	buf_init(&warnings, REPORT_MAX_BYTES);
	next = load(daemon, &warnings, notice_fault);
	if (next && adopt(daemon, next, &err) == ERR_OK) {
		notice_each(&warnings, notice_warn);
		notice_fixed(daemon->first, next);
		log_info("reloaded", LOG_S("config", next->path));
	} else if (next) {
		notice_fault(err.detail);
	}
	config_unref(next);
	buf_free(&warnings);
}

static _Noreturn void end_at_once(struct daemon *daemon)
{
	log_warn("stopped", LOG_S("message", "told twice: what ran was cut"),
		LOG_U("running", service_running(&daemon->service)));
	_exit(EXIT_BY_SIGNAL + signals_last(daemon->signals));
}

static void cancel_rest(struct daemon *daemon)
{
	daemon->phase = CANCELLED;
	log_warn("drain_timeout", LOG_U("running", service_running(&daemon->service)));
	service_close(&daemon->service);
	pool_cancel_all(daemon->service.pool, POOL_DRAIN);
	signals_set_timer(daemon->signals, CANCEL_MAX_MS);
}

static void drain(struct daemon *daemon)
{
	uint64_t timeout_ms = daemon->config->server.drain_timeout_ms;

	daemon->phase = DRAINING;
	daemon->drain_end_us = clock_add(clock_us(), timeout_ms * 1000);
	log_info("draining", LOG_U("running", service_running(&daemon->service)),
		LOG_MS("timeout_ms", timeout_ms * 1000));
	http_server_set_state(daemon->service.server, HTTP_DRAINING);
	service_drain(&daemon->service, signals_idle_fd(daemon->signals));
	if (timeout_ms > 0)
		signals_set_timer(daemon->signals, timeout_ms);
	else
		cancel_rest(daemon);
}

static void begin_drain(struct daemon *daemon)
{
	uint64_t delay_ms = daemon->config->server.drain_delay_ms;

	if (delay_ms == 0) {
		drain(daemon);
		return;
	}
	daemon->phase = UNREADY;
	log_info("unready", LOG_MS("delay_ms", delay_ms * 1000));
	http_server_set_state(daemon->service.server, HTTP_UNREADY);
	signals_set_timer(daemon->signals, delay_ms);
}

static void next_phase(struct daemon *daemon)
{
	switch (daemon->phase) {
	case SERVING:
		break;
	case UNREADY:
		drain(daemon);
		break;
	case DRAINING:
		cancel_rest(daemon);
		break;
	case CANCELLED:
		log_error("stopped", LOG_S("message", "cancelled batches did not end"),
			LOG_U("running", service_running(&daemon->service)));
		_exit(EXIT_FAILED);
	}
}

/* A body that was still being read when the draining began may have become a batch meanwhile. */
static bool ran_dry(struct daemon *daemon)
{
	service_close(&daemon->service);
	return service_running(&daemon->service) == 0;
}

static void wait_for_end(struct daemon *daemon)
{
	for (;;) {
		switch (signals_wait(daemon->signals)) {
		case SIGNALS_RELOAD:
			if (daemon->phase == SERVING)
				reload(daemon);
			break;
		case SIGNALS_STOP:
			if (daemon->phase != SERVING)
				end_at_once(daemon);
			begin_drain(daemon);
			break;
		case SIGNALS_TIMER:
			next_phase(daemon);
			break;
		case SIGNALS_IDLE:
			if (ran_dry(daemon))
				return;
			break;
		}
	}
}

/* Nothing runs; answers may still be on their way to clients. */
static void finish(struct daemon *daemon)
{
	uint64_t now_us = clock_us(), grace_ms = WRITE_GRACE_MS;

	if (daemon->drain_end_us > now_us + grace_ms * 1000)
		grace_ms = (daemon->drain_end_us - now_us) / 1000;
	signals_end_at_once(daemon->signals);
	http_server_stop(daemon->service.server, grace_ms);
}

/* Takes what was half built too. The server goes first: answers hold batches, batches the pool. */
static void take_down(struct daemon *daemon)
{
	http_server_destroy(daemon->service.server);
	pool_destroy(daemon->service.pool);
	forker_stop(daemon->forker);
	service_free(&daemon->service);
	signals_destroy(daemon->signals);
	config_unref(daemon->first);
	config_unref(daemon->config);
}

struct forker *daemon_start_forker(void)
{
	struct forker *forker = NULL;
	struct err err;

	if (forker_start(template_jq_serve, &forker, &err) != ERR_OK)
		fprintf(stderr, "batchgate: cannot start: %s\n", err.detail);
	return forker;
}

int daemon_serve(int argc, char *const *argv, char *const *env)
{
	struct daemon daemon = {
		.argc = argc, .argv = argv, .env = env, .forker = daemon_start_forker()};
	int status = daemon.forker ? start(&daemon) : EXIT_FAILED;

	if (status == EXIT_USAGE) {
		forker_stop(daemon.forker);
		return status;
	}
	if (status == EXIT_CLEAN) {
		wait_for_end(&daemon);
		finish(&daemon);
	}
	take_down(&daemon);
	if (status == EXIT_CLEAN)
		log_info("stopped", LOG_B("clean", true));
	return status;
}
