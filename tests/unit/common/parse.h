/* parse.h - for tests of the configuration: parses a text, and keeps what it says. */
#ifndef TESTS_COMMON_PARSE_H
#define TESTS_COMMON_PARSE_H
#include <string.h>

#include "common/config.h"

#define HASH_A "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HASH_B "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static struct buf warnings, faults;
static char no_text[] = "";

static inline void setup(void)
{
	buf_init(&warnings, 1 << 20);
	buf_init(&faults, 1 << 20);
}

static inline void teardown(void)
{
	buf_free(&warnings);
	buf_free(&faults);
}

static inline const char *fault_text(void)
{
	return faults.ptr ? faults.ptr : no_text;
}

static inline enum err_code parse(const char *text, char *const *env, struct config **ret_config)
{
	buf_clear(&warnings);
	buf_clear(&faults);
	return config_parse_text("f.yaml", text, strlen(text), env, ret_config, &warnings, &faults);
}
#endif
