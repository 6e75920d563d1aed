/* run_flags.c - the command line of `batchgate run`. */
#include "cli/run_flags.h"

#include <stdlib.h>
#include <string.h>

#include "batch/options.h"
#include "common/config_fault.h"
#include "common/config_table.h"
#include "common/config_value.h"
#include "common/mem.h"

enum { CONCURRENCY_MAX = 100000, QUOTED_MAX = 64 };

enum flag {
	FLAG_OUTPUT,
	FLAG_ORDER,
	FLAG_CONCURRENCY,
	FLAG_TIMEOUT,
	FLAG_RETRIES,
	FLAG_RATE_LIMIT,
	FLAG_DEFAULTS,
	FLAG_ENDPOINT,
	FLAG_PARAMS,
	FLAG_RESUME,
	FLAG_CONFIG,
	FLAG_RETRY_FAILED, /* from here on without a value */
	FLAG_QUIET,
	FLAG_HELP,
	FLAG_COUNT
};

static const char *const names[FLAG_COUNT] = {"--output", "--order", "--concurrency", "--timeout",
	"--retries", "--rate-limit", "--defaults", "--endpoint", "--params", "--resume", "--config",
	"--retry-failed", "--quiet", "--help"};

static enum flag find(const char *argument, size_t len)
{
	enum flag flag = 0;

	while (flag < FLAG_COUNT && !(strlen(names[flag]) == len && /* exactly */
					    memcmp(names[flag], argument, len) == 0))
		flag++;
	return flag;
}

static enum err_code bad(struct err *err, enum flag flag, const char *value, const char *what)
{
	char quoted[CONFIG_QUOTE_SIZE];

	return err_set(err, ERR_INVALID, "%s: %s %s", names[flag],
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
	struct run_flags *flags, enum flag flag, const char *value, struct err *err)
{
	if (flag == FLAG_CONCURRENCY)
		return read_count(value, 1, CONCURRENCY_MAX, &flags->concurrency)
			       ? ERR_OK
			       : bad(err, flag, value, "is no number from 1 to 100000");
	if (flag == FLAG_RETRIES) {
		if (!read_count(value, 0, CALL_ATTEMPTS_MAX - 1, &flags->max_attempts))
			return bad(err, flag, value, "is no number from 0 to 9");
		flags->max_attempts++;
		return ERR_OK;
	}
	if (flag == FLAG_TIMEOUT)
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
	struct run_flags *flags, enum flag flag, const char *value, struct err *err)
{
	switch (flag) {
	case FLAG_OUTPUT:
	case FLAG_RESUME:
		REQUIRE(value); /* take has seen to it */
		if (flag == FLAG_OUTPUT && strcmp(value, "-") == 0) {
			flags->output = NULL; /* standard output, as without it */
			return ERR_OK;
		}
		*(flag == FLAG_OUTPUT ? &flags->output : &flags->resume) = value;
		return *value ? ERR_OK : bad(err, flag, value, "names no file");
	case FLAG_DEFAULTS:
		flags->defaults = value;
		return ERR_OK;
	case FLAG_ENDPOINT:
		flags->endpoint = value;
		return ERR_OK;
	case FLAG_PARAMS:
		flags->params = value;
		return ERR_OK;
	case FLAG_ORDER:
		REQUIRE(value);
		flags->order = value;
		return strcmp(value, "input") == 0 || strcmp(value, "completion") == 0
			       ? ERR_OK
			       : bad(err, flag, value, "is neither completion nor input");
	case FLAG_RETRY_FAILED:
		flags->retry_failed = true;
		return ERR_OK;
	case FLAG_QUIET:
		flags->quiet = true;
		return ERR_OK;
	case FLAG_HELP:
		flags->help = true;
		return ERR_OK;
	default:
		return set_number(flags, flag, value, err);
	}
}

/* Our own names first, then those of the settings. */
static bool name_at(const void *unused, size_t i, char ret[CONFIG_NAME_SIZE])
{
	if (i >= FLAG_COUNT)
		return config_table_flag_names(unused, i - FLAG_COUNT, ret);
	memcpy(ret, names[i], strlen(names[i]) + 1);
	return true;
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
		config_fault_hint(name, name_at, NULL, hint));
}

/* One argument, and its value where that is the next one; gives how many were taken, 0: *code. */
static int take(
	struct run_flags *flags, int argc, char *const *argv, enum err_code *code, struct err *err)
{
	const char *equals = strchr(argv[0], '='), *value = equals ? equals + 1 : NULL;
	size_t len = equals ? (size_t)(equals - argv[0]) : strlen(argv[0]);
	enum flag flag = strcmp(argv[0], "-h") == 0 ? FLAG_HELP : find(argv[0], len);
	bool followed = argc > 1 && strncmp(argv[1], "--", 2) != 0;
	const struct setting *setting = flag == FLAG_COUNT ? find_setting(argv[0], len) : NULL;
	int used = 1;

	if (setting) {
		used += !value && followed && setting->type != SETTING_BOOL;
		for (int i = 0; i < used; i++)
			flags->settings[flags->setting_count++] = argv[i];
		return used;
	}
	if (flag == FLAG_COUNT)
		*code = unknown(argv[0], len, err);
	else if (flag >= FLAG_RETRY_FAILED && value)
		*code = err_set(err, ERR_INVALID, "%s: takes no value", names[flag]);
	else if (flag < FLAG_RETRY_FAILED && !value && !followed)
		*code = err_set(err, ERR_INVALID, "%s: needs a value", names[flag]);
	else if (flag < FLAG_RETRY_FAILED && !value)
		value = argv[used++];
	if (*code == ERR_OK && flag == FLAG_CONFIG)
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
