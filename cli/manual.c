/* manual.c - what users read beside --help, made of the same tables: `manual` is a program of the
 * build, not installed. */
#include "cli/manual.h"

#include <stdio.h>
#include <string.h>

#include "common/config_print.h"
#include "common/exit_code.h"
#include "common/mem.h"

enum { FILE_MAX_BYTES = 1024 * 1024 };

/* What of a path is not its own name: entries of lists and mappings are parts of their own, what
 * stands once in an entry (`breaker.open`) is not. */
static size_t part_len(const char *path)
{
	const char *entry = NULL;

	for (const char *c = path; *c; c++)
		if (strncmp(c, "[].", 3) == 0 || strncmp(c, ".*.", 3) == 0)
			entry = c + 2;
	return entry ? (size_t)(entry - path) : strcspn(path, ".");
}

bool manual_begins_part(size_t i, char part[CONFIG_NAME_SIZE])
{
	const char *path = setting_table[i].path;
	size_t len = part_len(path);

	snprintf(part, CONFIG_NAME_SIZE, "%.*s", (int)len, path);
	return i == 0 || part_len(setting_table[i - 1].path) != len ||
	       strncmp(setting_table[i - 1].path, path, len) != 0;
}

void manual_add_facts(const struct setting *setting, const char *mark, struct buf *out)
{
	size_t len;

	buf_adds(out, config_print_type(setting->type));
	len = out->len;
	buf_adds(out, ", ");
	config_print_range(setting, out);
	if (out->len == len + 2)
		out->ptr[out->len = len] = '\0';
	if (setting->fallback && *setting->fallback)
		buf_addf(out, "; default %s%s%s", mark, setting->fallback, mark);
	else if (setting->fallback)
		buf_adds(out, "; empty by default");
	if (setting->later)
		buf_addf(out, "; %s", setting->later);
}

static bool make(const char *what, const char *date, struct buf *out)
{
	if (strcmp(what, "batchgate.8") == 0)
		manual_roff_command(date, out);
	else if (strcmp(what, "batchgate.yaml.5") == 0)
		manual_roff_file(date, out);
	else if (strcmp(what, "completion") == 0)
		manual_bash_completion(out);
	else if (strcmp(what, "configuration.md") == 0)
		manual_reference(out);
	else
		return false;
	return true;
}

int main(int argc, char *argv[])
{
	struct buf out;
	bool written;

	buf_init(&out, FILE_MAX_BYTES);
	if (argc != 3 || !make(argv[1], argv[2], &out)) {
		fprintf(stderr, "usage: manual batchgate.8|batchgate.yaml.5|completion|"
				"configuration.md YYYY-MM-DD\n");
		return EXIT_USAGE;
	}
	written = !out.failed && out.len > 0 && fwrite(out.ptr, 1, out.len, stdout) == out.len &&
		  fflush(stdout) == 0;
	buf_free(&out);
	return written ? 0 : EXIT_FAILED;
}
