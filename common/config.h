/* config.h - every setting: file (YAML), environment, flags; checked, immutable, shared by count.
 *
 * config_load reads and checks everything before anything runs; the first faults are reported as
 * lines `file:line: key: what is wrong`. A loaded configuration never changes, so any thread may
 * read it and hold a reference: a reload makes another one. Loading has no state of its own.
 * Secrets are masked by config_print. */
#ifndef COMMON_CONFIG_H
#define COMMON_CONFIG_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/config_types.h"
#include "common/err.h"
#include "common/log.h"

struct config {
	atomic_uint refs;
	char *path; /* of the file; NULL where there was none */
	struct {
		char *host;
		uint16_t port; /* 0: a free one */
		unsigned max_connections;
		uint64_t header_timeout_ms, body_timeout_ms, idle_timeout_ms, write_timeout_ms;
		uint64_t drain_delay_ms, drain_timeout_ms;
		struct config_strings cors_origins;
	} server;
	struct {
		bool allow_anonymous;
		struct config_key *keys;
		size_t key_count;
	} auth;
	struct {
		size_t max_body, memory, max_response, max_batch_response; /* bytes */
		size_t max_items;
		unsigned max_concurrency;
		uint64_t max_item_timeout_ms, max_batch_timeout_ms;
		unsigned max_depth;
	} limits;
	struct {
		unsigned threads; /* 0: as many as the CPUs granted */
		unsigned max_in_flight;
		size_t queue_limit;
		/* No key. Of a worker: what connections may take that no call needs
		 * (openfiles_idle). */
		size_t idle_files;
	} pool;
	struct {
		/* YAML: public, ad_hoc, allow_private. */
		bool public_addresses, ad_hoc, allow_private;
		uint16_t *ports;
		size_t port_count;
		/* As written: pool/guard is the one judge of their form. */
		struct config_strings allow, deny;
		/* How a fault of theirs begins, "file:7: targets.allow"; NULL in a configuration
		 * that was not loaded. */
		char *allow_place, *deny_place;
	} targets;
	struct config_upstream *upstreams;
	size_t upstream_count;
	bool upstream_implied;             /* the last one is: nobody wrote it */
	struct config_endpoint *endpoints; /* in the file's order */
	size_t endpoint_count;
	struct { /* read, checked and printed; there are no jobs yet */
		char *store;
		char *webhook_secret;
	} jobs;
	struct {
		enum log_level level;
		enum log_format format;
		struct config_strings redact;
	} log;
	bool *given; /* by place in the table of settings: config_is_given */
};

/* Reads flags (`--a-b=VALUE` and `--a-b VALUE`, `--config FILE`; argv without the program and the
 * subcommand), environment (`environ` form) and the file they name. ERR_INVALID with every fault
 * found, a line each, in `faults`. Warnings (ignored BATCHGATE_* names) go to `warnings`, a line
 * each. The caller owns the reference. */
enum err_code config_load(int argc, char *const *argv, char *const *env, struct config **ret_config,
	struct buf *warnings, struct buf *faults) MUST_CHECK;
/* The same for who only asks the server that runs: of the file and the environment it reads nothing
 * but server.host and server.port, so that no secret of the others need be there. Flags are all
 * read. */
enum err_code config_load_address(int argc, char *const *argv, char *const *env,
	struct config **ret_config, struct buf *warnings, struct buf *faults) MUST_CHECK;
/* The same for the text of a file called `name`, without flags; opens no file (`${file:…}` is a
 * fault, files are not looked for), and limits.memory does not depend on the machine. */
enum err_code config_parse_text(const char *name, const char *text, size_t len, char *const *env,
	struct config **ret_config, struct buf *warnings, struct buf *faults) MUST_CHECK;
struct config *config_ref(struct config *config);
void config_unref(struct config *config); /* NULL is fine; wipes what is secret */
/* Somebody set it: file, environment or flag. `path` is a setting of its own, "pool.threads". */
bool config_is_given(const struct config *config, const char *path);
/* The whole effective configuration as YAML that config_load takes again, secrets masked as
 * "***". */
void config_print(const struct config *config, struct buf *out);
/* Every setting with its type, default and one sentence, as --help shows it. */
void config_help(struct buf *out);
/* The rule for this host and port: the first of `upstreams` that matches. Never NULL. */
const struct config_upstream *config_upstream_of(
	const struct config *config, const char *host, uint16_t port);
/* NULL: there is none of this name. */
const struct config_endpoint *config_endpoint_of(const struct config *config, const char *name);
#endif
