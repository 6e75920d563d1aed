/* manual_roff.c - the man pages, in man(7). */
#include <ctype.h>
#include <string.h>

#include "cli/help.h"
#include "cli/manual.h"
#include "cli/run_help.h"
#include "common/config.h"

enum { WIDTH = 78, TEXT_MAX_BYTES = 64 * 1024 };

/* One character as roff has it. A hyphen is a minus: all of ours can be typed or pasted. */
static void add_char(char c, struct buf *out)
{
	if (c == '\\')
		buf_adds(out, "\\e");
	else if (c == '-')
		buf_adds(out, "\\-");
	else if (c == '\'')
		buf_adds(out, "\\(aq");
	else if (c == '`')
		buf_adds(out, "\\(ga");
	else if (c == '^')
		buf_adds(out, "\\(ha");
	else if (c == '~')
		buf_adds(out, "\\(ti");
	else
		buf_add_char(out, c);
}

/* Lines as they are: none may be taken for a request. */
static void add_kept(struct span text, struct buf *out)
{
	buf_adds(out, ".nf\n.RS 4\n");
	for (size_t i = 0; i < text.len; i++) {
		if ((i == 0 || text.ptr[i - 1] == '\n') && text.ptr[i] == '.')
			buf_adds(out, "\\&");
		add_char(text.ptr[i], out);
	}
	buf_adds(out, "\n.RE\n.fi\n");
}

/* A word, bold between backquotes; `bold` goes on over words. Opens another line where this one has
 * no room for it. */
static void add_word(struct span word, bool *bold, size_t *column, struct buf *out)
{
	struct buf shown;

	buf_init(&shown, TEXT_MAX_BYTES);
	if (word.ptr[0] == '.' || word.ptr[0] == '\'')
		buf_adds(&shown, "\\&");
	for (size_t i = 0; i < word.len; i++) {
		if (word.ptr[i] != '`') {
			add_char(word.ptr[i], &shown);
			continue;
		}
		*bold = !*bold;
		buf_adds(&shown, *bold ? "\\fB" : "\\fR");
	}
	if (*column > 0) {
		bool fits = *column + 1 + shown.len <= WIDTH;

		buf_add_char(out, fits ? ' ' : '\n');
		*column = fits ? *column + 1 : 0;
	}
	if (shown.len)
		buf_add(out, shown.ptr, shown.len);
	*column += shown.len;
	buf_free(&shown);
}

static bool ends_sentence(struct span word, const char *next)
{
	return word.len > 1 && strchr(".!?", word.ptr[word.len - 1]) &&
	       isupper((unsigned char)*next) && !(word.len > 2 && word.ptr[word.len - 2] == '.');
}

/* Filled lines, each sentence on a line of its own, as roff wants it. */
static void add_text(struct span text, struct buf *out)
{
	const char *at = text.ptr, *end = at + text.len;
	size_t column = 0;
	bool bold = false;

	while (at < end) {
		struct span word = {at, 0};

		while (at < end && *at != ' ' && *at != '\n')
			at++;
		word.len = (size_t)(at - word.ptr);
		while (at < end && (*at == ' ' || *at == '\n'))
			at++;
		add_word(word, &bold, &column, out);
		if (at < end && ends_sentence(word, at)) {
			buf_add_char(out, '\n');
			column = 0;
		}
	}
	buf_add_char(out, '\n');
}

static void add_sentence(const char *text, struct buf *out)
{
	add_text(span_of(text), out);
}

/* `breaks`: the first paragraph too stands apart from what is before it. */
static void add_prose(const char *text, bool breaks, struct buf *out)
{
	struct prose_paragraph paragraph;

	for (; prose_next(&text, &paragraph); breaks = true) {
		if (breaks)
			buf_adds(out, ".PP\n");
		if (paragraph.kept)
			add_kept(paragraph.text, out);
		else
			add_text(paragraph.text, out);
	}
}

static void add_escaped(const char *text, struct buf *out)
{
	for (; *text; text++)
		add_char(*text, out);
}

static void add_title(const char *request, const char *title, bool upper, struct buf *out)
{
	buf_addf(out, "%s \"", request);
	for (; *title; title++)
		add_char(upper ? (char)toupper((unsigned char)*title) : *title, out);
	buf_adds(out, "\"\n");
}

static void begin(
	const char *name, const char *section, const char *date, const char *what, struct buf *out)
{
	buf_addf(out, ".TH %s %s \"%s\" \"batchgate " BATCHGATE_VERSION "\"\n.SH NAME\n", name,
		section, date);
	for (; *name; name++)
		add_char((char)tolower((unsigned char)*name), out);
	buf_addf(out, " \\- %s\n", what);
}

/* The tag of a list: bold, its value in italics. */
static void add_tag(const char *name, const char *value, struct buf *out)
{
	buf_adds(out, ".TP\n\\fB");
	add_escaped(name, out);
	buf_adds(out, "\\fR");
	if (value) {
		buf_adds(out, " \\fI");
		add_escaped(value, out);
		buf_adds(out, "\\fR");
	}
	buf_add_char(out, '\n');
}

static void add_flags(enum command_id command, struct buf *out)
{
	for (size_t i = 0; i < COMMAND_FLAG_COUNT; i++) {
		const struct command_flag *flag = &command_flags[i];

		if (!command_has(command, flag))
			continue;
		add_tag(flag->name, flag->value, out);
		add_sentence(flag->help, out);
	}
	if (command_table[command].takes_settings) {
		add_tag("--a-b=VALUE", NULL, out);
		add_sentence("A setting: a.b of the configuration, see batchgate.yaml(5).", out);
	}
}

static void add_examples(enum command_id command, struct buf *out)
{
	for (size_t i = 0; i < COMMAND_EXAMPLE_COUNT; i++)
		if (command_examples[i].command == command) {
			buf_adds(out, ".PP\n");
			add_sentence("For example:", out);
			add_prose(command_examples[i].text, false, out);
		}
}

static void add_usages(enum command_id command, struct buf *out)
{
	for (size_t i = 0; i < COMMAND_USAGE_COUNT; i++) {
		if (command_usages[i].command != command)
			continue;
		buf_addf(out, "\\fBbatchgate %s\\fR ", command_table[command].name);
		add_escaped(command_usages[i].arguments, out);
		buf_adds(out, "\n.br\n");
	}
}

static void add_synopsis(struct buf *out)
{
	buf_adds(out, ".SH SYNOPSIS\n.nh\n.ad l\n");
	for (enum command_id id = 0; id < COMMAND_COUNT; id++)
		add_usages(id, out);
	buf_adds(out, "\\fBbatchgate \\-\\-help\\fR | \\fB\\-\\-version\\fR\n");
}

static void add_commands(struct buf *out)
{
	buf_adds(out, ".SH COMMANDS\n");
	for (enum command_id id = 0; id < COMMAND_COUNT; id++) {
		add_title(".SS", command_table[id].name, false, out);
		add_sentence(command_table[id].help, out);
		add_flags(id, out);
		add_examples(id, out);
	}
	for (const struct prose *part = run_help_sections; part->title; part++) {
		struct buf title;

		buf_init(&title, TEXT_MAX_BYTES);
		buf_addf(&title, "run: %s", part->title);
		add_title(".SS", title.ptr ? title.ptr : "run", false, out);
		add_prose(part->text, false, out);
		buf_free(&title);
	}
}

static void add_exits(struct buf *out)
{
	buf_adds(out, ".SH \"EXIT STATUS\"\n");
	for (size_t i = 0; i < COMMAND_EXIT_COUNT; i++) {
		add_tag(command_exits[i].code, NULL, out);
		add_sentence(command_exits[i].help, out);
	}
}

void manual_roff_command(const char *date, struct buf *out)
{
	begin("BATCHGATE", "8", date, help_summary, out);
	add_synopsis(out);
	for (const struct prose *section = help_sections; section->title; section++) {
		add_title(".SH", section->title, true, out);
		add_prose(section->text, false, out);
		if (section == help_sections)
			add_commands(out);
	}
	add_exits(out);
	buf_adds(out, ".SH SETTINGS\n");
	add_prose(help_settings, false, out);
	buf_adds(out, ".SH FILES\n");
	add_tag("/etc/batchgate/batchgate.yaml", NULL, out);
	add_sentence("What the systemd unit starts the server with.", out);
	add_tag("/etc/batchgate/environment", NULL, out);
	add_sentence("Read by systemd, where it is there: NAME='value', a line each, for the "
		     "${NAME} of the configuration. Mode 0600.",
		out);
	buf_adds(out, ".SH \"SEE ALSO\"\n.BR batchgate.yaml (5),\n.BR systemctl (1),\n"
		      ".BR jq (1)\n");
}

static void add_names(const struct setting *setting, struct buf *out)
{
	char name[CONFIG_NAME_SIZE];

	if (!config_table_has_line_form(setting))
		return;
	config_table_env_name(setting, name);
	buf_adds(out, ".br\n\\fB");
	add_escaped(name, out);
	buf_adds(out, "\\fR, \\fB");
	config_table_flag_name(setting, name);
	add_escaped(name, out);
	buf_adds(out, "\\fR\n");
}

static void add_setting(const struct setting *setting, struct buf *out)
{
	struct buf facts;

	buf_init(&facts, TEXT_MAX_BYTES);
	manual_add_facts(setting, "`", &facts);
	add_tag(setting->path, NULL, out);
	add_sentence(setting->help, out);
	buf_adds(out, ".br\n");
	add_sentence(facts.ptr ? facts.ptr : "", out);
	add_names(setting, out);
	buf_free(&facts);
}

void manual_roff_file(const char *date, struct buf *out)
{
	char part[CONFIG_NAME_SIZE];

	begin("BATCHGATE.YAML", "5", date, "the configuration of batchgate", out);
	buf_adds(out, ".SH DESCRIPTION\n");
	add_prose(help_settings, false, out);
	buf_adds(out, ".PP\n");
	add_sentence(
		"`batchgate check --config FILE` says whether the server would start with a "
		"file, and shows every fault with its line. Below, `x[].y` is a member of each "
		"entry of the list x, `x.*.y` of each entry of the mapping x; of those, and "
		"of mappings, there are no variables and flags.",
		out);
	for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++) {
		if (manual_begins_part(i, part))
			add_title(".SH", part, true, out);
		add_setting(&setting_table[i], out);
	}
	buf_adds(out, ".SH \"SEE ALSO\"\n.BR batchgate (8)\n");
}
