/* run_flags.c - the command line of `batchgate run`. */
#include "cli/run_flags.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch/options.h"
#include "cli/command.h"
#include "cli/hint.h"
#include "common/config_fault.h"
#include "common/config_table.h"
#include "common/config_value.h"
#include "common/mem.h"

enum { CONCURRENCY_MAX = 100000, QUOTED_MAX = 64 };

static enum err_code bad(
	struct err *err, enum command_flag_id flag, const char *value, const char *what)
{
	char quoted[CONFIG_QUOTE_SIZE];

	return err_set(err, ERR_INVALID, "%s: %s %s", command_flags[flag].name,
		config_fault_quote(value, quoted), what);
}

static bool read_count(const char *text, uint64_t min, uint64_t max, unsigned *ret_count)
{
	uint64_t number;

	if (config_value_read(SETTING_COUNT, text, &number) || number < min || number > max)
		return false;
	*ret_count = (unsigned)number;
	return true;
}

static enum err_code set_number(
	struct run_flags *flags, enum command_flag_id flag, const char *value, struct err *err)
{
	if (flag == FLAG_RUN_CONCURRENCY)
		return read_count(value, 1, CONCURRENCY_MAX, &flags->concurrency)
			       ? ERR_OK
			       : bad(err, flag, value, "is no number from 1 to 100000");
	if (flag == FLAG_RUN_RETRIES) {
		if (!read_count(value, 0, CALL_ATTEMPTS_MAX - 1, &flags->max_attempts))
			return bad(err, flag, value, "is no number from 0 to 9");
		flags->max_attempts++;
		return ERR_OK;
	}
	if (flag == FLAG_RUN_TIMEOUT)
		return !config_value_read(SETTING_TIME, value, &flags->timeout_ms) &&
				       flags->timeout_ms > 0 &&
				       flags->timeout_ms < UINT64_MAX / 1000
			       ? ERR_OK
			       : bad(err, flag, value, "is no time, such as 30s, 500ms or 2m");
	return options_rate(span_of(value), &flags->rate_per_s)
		       ? ERR_OK
		       : bad(err, flag, value, "is no rate, such as 50/s, 3500/min or 1000/h");
}

static enum err_code set(
	struct run_flags *flags, enum command_flag_id flag, const char *value, struct err *err)
{
	switch (flag) {
	case FLAG_RUN_OUTPUT:
	case FLAG_RUN_RESUME:
		REQUIRE(value); /* take has seen to it */
		if (flag == FLAG_RUN_OUTPUT && strcmp(value, "-") == 0) {
			flags->output = NULL; /* standard output, as without it */
			return ERR_OK;
		}
		*(flag == FLAG_RUN_OUTPUT ? &flags->output : &flags->resume) = value;
		return *value ? ERR_OK : bad(err, flag, value, "names no file");
	case FLAG_RUN_DEFAULTS:
		flags->defaults = value;
		return ERR_OK;
	case FLAG_RUN_ENDPOINT:
		flags->endpoint = value;
		return ERR_OK;
	case FLAG_RUN_PARAMS:
		flags->params = value;
		return ERR_OK;
	case FLAG_RUN_ORDER:
		REQUIRE(value);
		flags->order = value;
		return strcmp(value, "input") == 0 || strcmp(value, "completion") == 0
			       ? ERR_OK
			       : bad(err, flag, value, "is neither completion nor input");
	case FLAG_RUN_RETRY_FAILED:
		flags->retry_failed = true;
		return ERR_OK;
	case FLAG_RUN_QUIET:
		flags->quiet = true;
		return ERR_OK;
	default:
		return set_number(flags, flag, value, err);
	}
}

/* NULL: there is none of this name. */
static const struct setting *find_setting(const char *argument, size_t len)
{
	char name[CONFIG_NAME_SIZE];

	for (size_t i = 0; config_table_flag_names(NULL, i, name); i++)
		if (strlen(name) == len && memcmp(name, argument, len) == 0)
			return &setting_table[i];
	return NULL;
}

static enum err_code unknown(const char *argument, size_t len, struct err *err)
{
	char name[CONFIG_QUOTE_SIZE], quoted[CONFIG_QUOTE_SIZE], hint[CONFIG_QUOTE_SIZE];

	len = len < QUOTED_MAX ? len : QUOTED_MAX;
	memcpy(name, argument, len);
	name[len] = '\0';
	return err_set(err, ERR_INVALID, "%s: unknown flag%s", config_fault_quote(name, quoted),
		hint_flag(COMMAND_RUN, name, hint));
}

/* One argument, and its value where that is the next one; gives how many were taken, 0: *code. */
static int take(
	struct run_flags *flags, int argc, char *const *argv, enum err_code *code, struct err *err)
{
	const char *equals = strchr(argv[0], '='), *value = equals ? equals + 1 : NULL;
	size_t len = equals ? (size_t)(equals - argv[0]) : strlen(argv[0]);
	enum command_flag_id flag = command_find_flag(COMMAND_RUN, argv[0], len);
	bool followed = argc > 1 && strncmp(argv[1], "--", 2) != 0;
	const struct setting *setting =
		flag == COMMAND_FLAG_COUNT ? find_setting(argv[0], len) : NULL;
	bool takes_value = flag < COMMAND_FLAG_COUNT && command_flags[flag].value;
	int used = 1;

	if (setting) {
		used += !value && followed && setting->type != SETTING_BOOL;
		for (int i = 0; i < used; i++)
			flags->settings[flags->setting_count++] = argv[i];
		return used;
	}
	if (flag == COMMAND_FLAG_COUNT)
		*code = unknown(argv[0], len, err);
	else if (!takes_value && value)
		*code = err_set(err, ERR_INVALID, "%s: takes no value", command_flags[flag].name);
	else if (takes_value && !value && !followed)
		*code = err_set(err, ERR_INVALID, "%s: needs a value", command_flags[flag].name);
	else if (takes_value && !value)
		value = argv[used++];
	if (*code == ERR_OK && flag == FLAG_ANY_CONFIG)
		for (int i = 0; i < used; i++)
			flags->settings[flags->setting_count++] = argv[i];
	else if (*code == ERR_OK)
		*code = set(flags, flag, value, err);
	return *code == ERR_OK ? used : 0;
}

static enum err_code check(struct run_flags *flags, struct err *err)
{
	if (flags->resume && flags->output && strcmp(flags->resume, flags->output) != 0)
		return err_set(err, ERR_INVALID,
			"--resume and --output name two files: --resume alone appends to its own");
	if (flags->endpoint && flags->defaults)
		return err_set(err, ERR_INVALID,
			"--defaults does not go with --endpoint: the configuration says what the "
			"calls are; --params sets its params");
	if (flags->params && !flags->endpoint)
		return err_set(err, ERR_INVALID, "--params needs --endpoint NAME");
	if (flags->retry_failed && !flags->resume)
		return err_set(err, ERR_INVALID, "--retry-failed needs --resume OUTPUT");
	return ERR_OK;
}

enum err_code run_flags_read(
	int argc, char *const *argv, struct run_flags *ret_flags, struct err *err)
{
	struct run_flags flags = {.settings = mem_new(((size_t)argc + 2) * sizeof(char *))};
	enum err_code code = ERR_OK;

	for (int i = 0; i < argc && code == ERR_OK;) {
		if (argv[i][0] == '-' && argv[i][1]) {
			i += take(&flags, argc - i, argv + i, &code, err);
			continue;
		}
		if (flags.file)
			code = err_set(err, ERR_INVALID,
				"two inputs: %.100s and %.100s; a setting is written --a-b=VALUE",
				flags.file, argv[i]);
		flags.file = argv[i++];
	}
	if (code == ERR_OK)
		code = check(&flags, err);
	if (code == ERR_OK)
		*ret_flags = flags;
	else
		run_flags_free(&flags);
	return code;
}

void run_flags_free(struct run_flags *flags)
{
	mem_free(flags->settings);
	flags->settings = NULL;
}
