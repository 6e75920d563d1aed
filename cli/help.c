/* help.c - `batchgate --help`: what it is, a first call, every subcommand and setting; and each
 * subcommand's own. */
#include "cli/help.h"

#include <string.h>

#include "cli/run_help.h"
#include "common/config.h"

enum {
	TEXT_MAX_BYTES = 256 * 1024,
	WIDTH = 100,
	ARGUMENTS_WIDTH = 56,
	FLAG_WIDTH = 26,
	EXIT_WIDTH = 7
};

const char help_summary[] = "many HTTP calls in one request";

const struct prose help_sections[] = {
	{"Description",
		"POST a JSON batch; every item becomes one HTTP call, the calls run on a bounded "
		"pool, and the answers come back in the order of the items. One slow or broken "
		"item never hurts the others.\n\n"
		"A call that many need is the operator's: a named endpoint of the configuration "
		"(`endpoints`) makes it of the data that callers POST to /v1/batch/NAME, and keeps "
		"the secrets."},
	{"Try it",
		"  batchgate &\n"
		"  curl --json '{\"items\": [{\"id\": \"a\", \"url\": \"https://example.com/\"},\n"
		"                         {\"id\": \"b\", \"url\": \"https://www.debian.org/\"}]}' "
		"\\\n"
		"       http://127.0.0.1:8080/v1/batch\n"},
	{"Signals", "Of the server: SIGTERM finishes what runs and ends, a second one ends at "
		    "once; SIGHUP reads the configuration again, and one that is wrong changes "
		    "nothing."},
	{NULL, NULL},
};

/* Of a command that says nothing about them itself. */
static const struct prose flags_and_settings[] = {
	{"Flags", "Settings are flags too, such as `--server-port=9090`; `batchgate --help` lists "
		  "them."},
	{NULL, NULL},
};

static const struct prose flags_alone[] = {{"Flags", ""}, {NULL, NULL}};

const char help_settings[] =
	"A setting stands in the file (YAML), `server: {port: 8080}`; in the environment, "
	"`BATCHGATE_SERVER_PORT=8080`; or is a flag, `--server-port=8080`. Flags win over the "
	"environment, that over the file; lists take commas there. The file is named by `--config` "
	"or `BATCHGATE_CONFIG`.\n\n"
	"Sizes take KiB, MiB, GiB; times ms, s, m, h, d; rates N/s, N/min, N/h. In the file, "
	"`${NAME}` is the environment's value, `${NAME:-default}` has a default, `${file:PATH}` is "
	"a file's content, `$$` is a dollar.";

static const struct prose *sections_of(enum command_id command)
{
	if (command == COMMAND_RUN)
		return run_help_sections;
	return command_table[command].takes_settings ? flags_and_settings : flags_alone;
}

/* A name or what is like one, then its sentence in a column of its own. */
static void add_entry(const char *name, const char *help, size_t column, struct buf *out)
{
	size_t used = strlen(name);

	buf_adds(out, name);
	if (used + 2 > column) {
		buf_add_char(out, '\n');
		used = 0;
	}
	buf_addf(out, "%*s", (int)(column - used), "");
	prose_fill(span_of(help), column, column, WIDTH, out);
}

/* `first` is before the first way to call it, as many blanks before the others. */
static void add_usage(enum command_id command, const char *first, struct buf *out)
{
	int indent = (int)strlen(first);

	for (size_t i = 0; i < COMMAND_USAGE_COUNT; i++) {
		char line[256];

		if (command_usages[i].command != command)
			continue;
		snprintf(line, sizeof line, "%*sbatchgate %s %s", indent, first,
			command_table[command].name, command_usages[i].arguments);
		add_entry(line, command_usages[i].help, ARGUMENTS_WIDTH, out);
		first = "";
	}
}

static void add_flags(enum command_id command, struct buf *out)
{
	for (size_t i = 0; i < COMMAND_FLAG_COUNT; i++) {
		const struct command_flag *flag = &command_flags[i];
		char name[80];

		if (!command_has(command, flag))
			continue;
		snprintf(name, sizeof name, "  %s%s%s", flag->name, flag->value ? " " : "",
			flag->value ? flag->value : "");
		add_entry(name, flag->help, FLAG_WIDTH, out);
	}
}

static void add_exits(struct buf *out)
{
	for (size_t i = 0; i < COMMAND_EXIT_COUNT; i++) {
		char code[16];

		snprintf(code, sizeof code, "  %s", command_exits[i].code);
		add_entry(code, command_exits[i].help, EXIT_WIDTH, out);
	}
}

static void put(struct buf *text, FILE *stream)
{
	if (text->len)
		fwrite(text->ptr, 1, text->len, stream);
	buf_free(text);
}

void help_print(FILE *stream)
{
	struct buf out;

	buf_init(&out, TEXT_MAX_BYTES);
	buf_addf(&out, "batchgate " BATCHGATE_VERSION " - %s\n", help_summary);
	for (const struct prose *section = help_sections; section->title; section++) {
		if (section == help_sections)
			buf_add_char(&out, '\n');
		else
			buf_addf(&out, "\n%s:\n", section->title);
		prose_print(section->text, 0, &out);
	}
	buf_adds(&out, "\nUsage:\n");
	for (enum command_id id = 0; id < COMMAND_COUNT; id++)
		add_usage(id, "  ", &out);
	buf_adds(&out, "  batchgate --help | --version\n"
		       "  batchgate COMMAND --help        the flags of a command, with "
		       "examples\n\nExit codes:\n");
	add_exits(&out);
	buf_adds(&out, "\nSettings.\n");
	prose_print(help_settings, 0, &out);
	buf_add_char(&out, '\n');
	config_help(&out);
	put(&out, stream);
}

static void add_examples(enum command_id command, struct buf *out)
{
	for (size_t i = 0; i < COMMAND_EXAMPLE_COUNT; i++)
		if (command_examples[i].command == command) {
			buf_adds(out, "\nExamples:\n");
			prose_print(command_examples[i].text, 0, out);
		}
}

void help_print_command(enum command_id command, FILE *stream)
{
	const struct prose *section = sections_of(command);
	char title[64];
	struct buf out;

	buf_init(&out, TEXT_MAX_BYTES);
	snprintf(title, sizeof title, "batchgate %s - ", command_table[command].name);
	buf_adds(&out, title);
	prose_fill(span_of(command_table[command].help), strlen(title), 0, WIDTH, &out);
	buf_adds(&out, "\nUsage:\n");
	add_usage(command, "  ", &out);
	add_examples(command, &out);
	for (; section->title; section++) {
		buf_addf(&out, "\n%s:\n", section->title);
		prose_print(section->text, 0, &out);
		if (strcmp(section->title, "Flags") == 0)
			add_flags(command, &out);
	}
	buf_adds(&out, "\nExit codes:\n");
	add_exits(&out);
	put(&out, stream);
}

void help_print_usage(enum command_id command, FILE *stream)
{
	struct buf out;

	buf_init(&out, TEXT_MAX_BYTES);
	add_usage(command, "usage: ", &out);
	put(&out, stream);
}
