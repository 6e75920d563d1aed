/* manual_reference.c - docs/configuration.md: every setting, and a file with the defaults. */
#include <string.h>

#include "cli/help.h"
#include "cli/manual.h"
#include "common/config.h"

enum { TEXT_MAX_BYTES = 64 * 1024 };

static void add_names(const struct setting *setting, struct buf *out)
{
	char env[CONFIG_NAME_SIZE], flag[CONFIG_NAME_SIZE];

	if (!config_table_has_line_form(setting))
		return;
	config_table_env_name(setting, env);
	config_table_flag_name(setting, flag);
	buf_addf(out, "  \n`%s`, `%s`", env, flag);
}

/* What stands outside of backquotes and would be taken for markup is escaped. */
static void add_text(const char *text, struct buf *out)
{
	bool typed = false;

	for (; *text; text++) {
		typed ^= *text == '`';
		if (!typed && strchr("*_<>[]", *text))
			buf_add_char(out, '\\');
		buf_add_char(out, *text);
	}
}

static void add_setting(const struct setting *setting, struct buf *out)
{
	struct buf facts;

	buf_init(&facts, TEXT_MAX_BYTES);
	manual_add_facts(setting, "`", &facts);
	buf_addf(out, "### `%s`\n\n", setting->path);
	add_text(setting->help, out);
	buf_adds(out, "  \n");
	add_text(facts.ptr ? facts.ptr : "", out);
	add_names(setting, out);
	buf_adds(out, "\n\n");
	buf_free(&facts);
}

static void add_defaults(struct buf *out)
{
	struct config *config = NULL;
	struct buf warnings, faults;
	char *env[] = {NULL};

	buf_init(&warnings, TEXT_MAX_BYTES);
	buf_init(&faults, TEXT_MAX_BYTES);
	if (config_parse_text("", "", 0, env, &config, &warnings, &faults) == ERR_OK) {
		buf_adds(out, "## All of it, with the defaults\n\n"
			      "As `batchgate check --print` shows it.\n\n```yaml\n");
		config_print(config, out);
		buf_adds(out, "```\n\n");
	} else {
		out->failed = true;
	}
	config_unref(config);
	buf_free(&warnings);
	buf_free(&faults);
}

void manual_reference(struct buf *out)
{
	char part[CONFIG_NAME_SIZE];

	buf_adds(out,
		"# Configuration\n\n"
		"<!-- Made by `make reference` from common/settings.def: change that. -->\n\n");
	buf_addf(out, "%s\n\n", help_settings);
	buf_adds(out,
		"`batchgate check --config FILE` says whether the server would start with a file, "
		"and shows every fault with its line; with `--print` it shows what holds.\n\n"
		"Below, `x[].y` is a member of each entry of the list x, `x.*.y` of each entry of "
		"the mapping x. Where a setting can be set in the environment and by a flag, their "
		"names follow. The same stands in the man page batchgate.yaml(5).\n\n");
	add_defaults(out);
	for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++) {
		if (manual_begins_part(i, part))
			buf_addf(out, "## `%s`\n\n", part);
		add_setting(&setting_table[i], out);
	}
	if (out->len > 0 && out->ptr)
		out->ptr[--out->len] = '\0'; /* one line break is enough */
}
