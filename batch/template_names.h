/* template_names.h - which of jq's names a template may use: those of an allow-list, and those that
 * it defines itself.
 *
 * Not allowed are names that read what is not the template's input (`env`, `$ENV`, `input`,
 * `inputs`, `input_filename`, `input_line_number`, `$__prog_args`, `import`, `include`, `module`,
 * `modulemeta`, `get_search_list`, …), that speak to nobody (`debug`, `stderr`) or end the run
 * (`halt`, `halt_error`), that depend on the machine's time zone (`localtime`, `strflocaltime`),
 * and whatever is not known here. `now` is allowed: a clock is no secret. The helper process's
 * walls stand behind this one.
 *
 * The text is cut into tokens as jq 1.5 to 1.8 cut it; where they differ (a carriage return, a
 * comment that ends in a backslash) it is refused. Pure; any thread. */
#ifndef BATCH_TEMPLATE_NAMES_H
#define BATCH_TEMPLATE_NAMES_H
#include <stdbool.h>

#include "common/buf.h"

struct template_fault {
	size_t offset; /* in the text */
	char what[160];
};

bool template_names_check(struct span text, struct template_fault *ret_fault) MUST_CHECK;
#endif
