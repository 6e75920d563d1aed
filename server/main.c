/* main.c - the command line, and the life of the daemon: start, reload, drain, stop.
 *
 * The only file that sees every part; it builds them and hands each what it needs. After the start
 * the main thread only waits (server/signals):
 *
 *   SERVING -SIGTERM-> UNREADY -drain_delay-> DRAINING -nothing runs-> stop, exit 0
 *   DRAINING -drain_timeout-> CANCELLED -nothing runs-> the same
 *
 * A second SIGTERM ends the process wherever it is. Failures before `listening` are plain text on
 * stderr; from then on there is the log. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "batch/batch.h"
#include "batch/template_jq.h"
#include "cli/check.h"
#include "cli/help.h"
#include "cli/key.h"
#include "cli/output.h"
#include "cli/run.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loopback.h"
#include "handlers/routes.h"
#include "handlers/service.h"
#include "handlers/version.h"
#include "server/limits.h"
#include "server/signals.h"

enum { EXIT_CLEAN = 0, EXIT_USAGE = 2, EXIT_FAILED = 3, EXIT_BY_SIGNAL = 128 };
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

/* Calls `tell` with each line of `text`, which is cut to pieces. */
static void each_line(struct buf *text, void (*tell)(const char *line))
{
	for (char *line = text->ptr; line && *line;) {
		char *end = strchrnul(line, '\n');
		bool more = *end == '\n';

		*end = '\0';
		tell(line);
		line = more ? end + 1 : end;
	}
}

static void say(const char *line)
{
	fprintf(stderr, "%s\n", line);
}

static void log_warning(const char *line)
{
	log_warn("config_warning", LOG_S("message", line));
}

static void log_fault(const char *line)
{
	log_error("reload_failed", LOG_S("fault", line));
}

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

/* What common/ cannot see: the form of targets.allow and deny, the named endpoints and their
 * programs, and what the machine grants. */
static enum err_code judge(struct config *config, struct forker *forker, struct buf *faults)
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
static struct config *load(
	const struct daemon *daemon, struct buf *warnings, void (*tell)(const char *line))
{
	struct config *config = NULL;
	struct buf faults;
	enum err_code code;

	buf_init(&faults, REPORT_MAX_BYTES);
	code = config_load(daemon->argc, daemon->argv, daemon->env, &config, warnings, &faults);
	if (code == ERR_OK)
		code = judge(config, daemon->forker, &faults);
	if (code != ERR_OK) {
		if (faults.len == 0)
			tell("no memory for the configuration");
		each_line(&faults, tell);
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
	each_line(warnings, log_warning);
	if (loopback_is(config->server.host))
		return;
	if (config->auth.allow_anonymous)
		log_warning("auth.allow_anonymous: whoever reaches this address may have it call "
			    "what `targets` allows");
	if (!version_http_strict())
		log_warning("put a strict HTTP proxy in front: libmicrohttpd before 1.0.5 lets "
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
	daemon->config = load(daemon, &warnings, say);
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

static void warn_fixed(bool changed, const char *key)
{
	if (changed)
		log_warn("config_warning", LOG_S("key", key),
			LOG_S("message", "this takes a restart; the old value stays"));
}

static void warn_all_fixed(const struct config *now, const struct config *next)
{
	warn_fixed(strcmp(now->server.host, next->server.host) != 0, "server.host");
	warn_fixed(now->server.port != next->server.port, "server.port");
	/* A lower one holds at once: http_server_configure. */
	warn_fixed(next->server.max_connections > now->server.max_connections,
		"server.max_connections");
	warn_fixed(now->limits.memory != next->limits.memory, "limits.memory");
	warn_fixed(now->pool.threads != next->pool.threads, "pool.threads");
}

/* All that can fail comes first: a reload that fails has changed nothing. */
static enum err_code adopt(struct daemon *daemon, struct config *next, struct err *err)
{
	struct service *service = &daemon->service;
	struct snapshot *snapshot = NULL;
	enum err_code code = make_snapshot(daemon, next, &snapshot, err);

	if (code != ERR_OK)
		return code;
	if (http_server_configure(service->server, next) != ERR_OK) {
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
	next = load(daemon, &warnings, log_fault);
	if (next && adopt(daemon, next, &err) == ERR_OK) {
		each_line(&warnings, log_warning);
		warn_all_fixed(daemon->first, next);
		log_info("reloaded", LOG_S("config", next->path));
	} else if (next) {
		log_fault(err.detail);
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

/* Before anything secret is read and before the first thread: what helper processes begin with. */
static struct forker *start_forker(void)
{
	struct forker *forker = NULL;
	struct err err;

	if (forker_start(template_jq_serve, &forker, &err) != ERR_OK)
		fprintf(stderr, "batchgate: cannot start: %s\n", err.detail);
	return forker;
}

static int serve(int argc, char *const *argv, char *const *env)
{
	struct daemon daemon = {.argc = argc, .argv = argv, .env = env, .forker = start_forker()};
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

static int check(int argc, char *const *argv, char *const *env)
{
	struct forker *forker = start_forker();
	int status = forker ? check_run(argc, argv, env, judge, forker) : EXIT_FAILED;

	forker_stop(forker);
	return status;
}

static int later(const char *command)
{
	fprintf(stderr, "batchgate %s: comes with a later version; see batchgate --help\n",
		command);
	return EXIT_USAGE;
}

static int tell_help(void)
{
	help_print(stdout);
	return output_end("--help");
}

static int tell_version(void)
{
	struct library libraries[VERSION_LIBRARIES];

	version_libraries(libraries);
	printf("batchgate %s\n", BATCHGATE_VERSION);
	for (size_t i = 0; i < VERSION_LIBRARIES; i++)
		printf("  %s %s\n", libraries[i].name, libraries[i].version);
	return output_end("--version");
}

static bool asks_for(int argc, char *const *argv, const char *flag, const char *short_flag)
{
	return argc > 0 && (strcmp(argv[0], flag) == 0 || strcmp(argv[0], short_flag) == 0);
}

/* argv: without the program's name */
static int dispatch(int argc, char *const *argv, char *const *env)
{
	const char *command = argc > 0 && argv[0][0] != '-' ? argv[0] : NULL;

	if (command) {
		argc--;
		argv++;
	}
	if (command && strcmp(command, "run") == 0)
		return run_main(argc, argv, env);
	if (asks_for(argc, argv, "--help", "-h") || (command && strcmp(command, "help") == 0))
		return tell_help();
	if (asks_for(argc, argv, "--version", "-V"))
		return tell_version();
	if (!command || strcmp(command, "serve") == 0)
		return serve(argc, argv, env);
	if (strcmp(command, "check") == 0)
		return check(argc, argv, env);
	if (strcmp(command, "key") == 0)
		return key_run(argc, argv);
	if (strcmp(command, "jobs") == 0)
		return later(command);
	fprintf(stderr, "batchgate: no such command: %.64s; see batchgate --help\n", command);
	return EXIT_USAGE;
}

int main(int argc, char *argv[], char *env[])
{
	mem_setup();
	return dispatch(argc - 1, argv + 1, env);
}
