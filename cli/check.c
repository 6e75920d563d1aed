/* check.c - `batchgate check [--print]`: is the configuration one that the server would start with?
 */
#include "cli/check.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/output.h"
#include "common/mem.h"

enum { EXIT_REFUSED = 2, TEXT_MAX_BYTES = 16 * 1024 * 1024 };

static void show(const struct buf *text, FILE *stream)
{
	if (text->len)
		fwrite(text->ptr, 1, text->len, stream);
}

static int show_good(const struct config *config, bool print)
{
	struct buf text;

	if (!print) {
		printf("ok: %s: listens on %s port %u, keys %zu, upstreams %zu, endpoints "
		       "%zu, in flight at most %u\n",
			config->path ? config->path : "no file", config->server.host,
			config->server.port, config->auth.key_count, config->upstream_count,
			config->endpoint_count, config->pool.max_in_flight);
		return output_end("check");
	}
	buf_init(&text, TEXT_MAX_BYTES);
	config_print(config, &text);
	show(&text, stdout);
	buf_free(&text);
	return output_end("check");
}

static int judge_all(int argc, char *const *argv, char *const *env, bool print,
	check_judge_fn *judge, struct forker *forker)
{
	struct buf warnings, faults;
	struct config *config = NULL;
	int exit_code = EXIT_REFUSED;
	enum err_code code;

	buf_init(&warnings, TEXT_MAX_BYTES);
	buf_init(&faults, TEXT_MAX_BYTES);
	code = config_load(argc, argv, env, &config, &warnings, &faults);
	show(&warnings, stderr);
	if (code == ERR_OK && judge)
		code = judge(config, forker, &faults);
	show(&faults, stderr);
	if (code == ERR_OK)
		exit_code = show_good(config, print);
	else if (!faults.len)
		fprintf(stderr, "batchgate check: %s\n", err_text(code));
	config_unref(config);
	buf_free(&warnings);
	buf_free(&faults);
	return exit_code;
}

int check_run(
	int argc, char *const *argv, char *const *env, check_judge_fn *judge, struct forker *forker)
{
	char **rest = mem_new(((size_t)argc + 1) * sizeof *rest);
	bool print = false;
	int count = 0, exit_code;

	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], "--print") == 0)
			print = true;
		else
			rest[count++] = argv[i];
	exit_code = judge_all(count, rest, env, print, judge, forker);
	mem_free(rest);
	return exit_code;
}
