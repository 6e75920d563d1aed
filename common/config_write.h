/* config_write.h - texts as YAML that config_node reads as the same. */
#ifndef COMMON_CONFIG_WRITE_H
#define COMMON_CONFIG_WRITE_H
#include "common/buf.h"

/* In double quotes; `$` doubled, so that expanding gives the same. */
void config_write_text(const char *text, struct buf *out);
/* A key, which is not expanded: plain where that is safe. */
void config_write_key(const char *key, struct buf *out);
/* JSON stands in YAML as it is, but for `$` in the values. */
void config_write_json(const char *json, struct buf *out);
/* The value of a key whose own line is behind `indent` columns; not expanded. A block with a line
 * break behind it, or quoted where a block could not hold it. */
void config_write_program(const char *text, int indent, struct buf *out);
#endif
