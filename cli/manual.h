/* manual.h - what users read beside --help, made of the same tables: `manual` is a program of the
 * build, not installed.
 *
 * Each function adds a whole file to `out`. `date` is YYYY-MM-DD. */
#ifndef CLI_MANUAL_H
#define CLI_MANUAL_H
#include <stdbool.h>

#include "common/buf.h"
#include "common/config_table.h"

void manual_roff_command(const char *date, struct buf *out); /* batchgate(8), in man(7) */
void manual_roff_file(const char *date, struct buf *out);    /* batchgate.yaml(5) */
void manual_bash_completion(struct buf *out);
void manual_reference(struct buf *out); /* docs/configuration.md */

/* True where another part of the configuration begins with this setting: `part` becomes "server",
 * "auth.keys[]" or "endpoints.*". */
bool manual_begins_part(size_t i, char part[CONFIG_NAME_SIZE]);
/* "number, 1 to 9; default 4", with `mark` before and behind what is typed. */
void manual_add_facts(const struct setting *setting, const char *mark, struct buf *out);
#endif
