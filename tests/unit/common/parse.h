/* parse.h - for tests of the configuration: parses or loads it, and keeps what it says. */
#ifndef TESTS_COMMON_PARSE_H
#define TESTS_COMMON_PARSE_H
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static inline struct config *parse_good(const char *text, char *const *env)
{
	struct config *config = NULL;

	ck_assert_msg(parse(text, env, &config) == ERR_OK, "%s\n%s", text, fault_text());
	return config;
}

static inline struct config *load_good(int argc, char *const *argv, char *const *env)
{
	struct config *config = NULL;

	ck_assert_msg(config_load(argc, argv, env, &config, &warnings, &faults) == ERR_OK, "%s",
		fault_text());
	return config;
}

/* Writes a temporary file whose name is in `ret_path`. */
static inline void write_file(char ret_path[64], const char *text)
{
	static const char form[] = "/tmp/batchgate-test-XXXXXX";
	int fd;

	memcpy(ret_path, form, sizeof form);
	fd = mkstemp(ret_path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}
#endif
