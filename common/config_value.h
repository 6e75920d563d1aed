/* config_value.h - the words of the configuration: sizes, times, rates, choices; read, and written
 * again. Pure; any thread. */
#ifndef COMMON_CONFIG_VALUE_H
#define COMMON_CONFIG_VALUE_H
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/config_table.h"

/* True for the types that are one number: count, bytes, milliseconds, choice. */
bool config_value_is_number(enum setting_type type);
/* The number that `text` means; too large ones give UINT64_MAX. NULL, or what is wrong ("is not a
 * whole number"). A rate is its count (0: off), a percentage its number (0: off), a choice its
 * place among the words. */
const char *config_value_read(enum setting_type type, const char *text, uint64_t *ret_number);
/* The shortest text that reads as `number`: 8MiB, 90s, json. */
void config_value_write(enum setting_type type, uint64_t number, struct buf *out);
/* 1 to 65535, without zeros before it. */
bool config_value_port(const char *text, uint16_t *ret_port);
/* "3500/min" per second; 0 for off. `text` is one that was taken, of a count of at most 10^9; the
 * writer gives what reads as the same. */
double config_value_rate(const char *text);
void config_value_write_rate(double per_s, struct buf *out);
/* UTF-8 without control characters, but for line breaks and tabs. */
bool config_value_is_clean(const char *text, bool lines);
#endif
