/* fuzz_config.c - any bytes as a configuration file: a configuration or faults, never a crash; what
 * is taken prints as something that is taken again and prints the same. Touches no file and no
 * environment. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX_BYTES = 8 * 1024 * 1024 };

static enum err_code parse(const void *text, size_t len, struct config **ret_config)
{
	char host[] = "HOST=localhost", port[] = "BATCHGATE_SERVER_PORT=0",
	     *env[] = {host, port, NULL};
	struct buf warnings, faults;
	enum err_code code;

	buf_init(&warnings, TEXT_MAX_BYTES);
	buf_init(&faults, TEXT_MAX_BYTES);
	code = config_parse_text("f.yaml", text, len, env, ret_config, &warnings, &faults);
	REQUIRE(code == ERR_OK || (code == ERR_INVALID && faults.len > 0));
	buf_free(&warnings);
	buf_free(&faults);
	return code;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Programs and defaults are printed whole: they come back as they were. */
static void compare(const struct config_endpoint *a, const struct config_endpoint *b)
{
	REQUIRE(same_text(a->name, b->name) && same_text(a->url_shown, b->url_shown));
	REQUIRE(same_text(a->request.text, b->request.text));
	REQUIRE(same_text(a->response.text, b->response.text));
	REQUIRE(same_text(a->fallback.text, b->fallback.text));
	REQUIRE(same_text(a->item_check.text, b->item_check.text));
	REQUIRE(a->param_count == b->param_count && a->query_count == b->query_count);
	for (size_t i = 0; i < a->param_count; i++) {
		REQUIRE(same_text(a->params[i].choices, b->params[i].choices));
		REQUIRE(same_text(a->params[i].fallback, b->params[i].fallback));
	}
	REQUIRE(!(a->rate_per_s < b->rate_per_s) && !(a->rate_per_s > b->rate_per_s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *first = NULL, *second = NULL;
	struct buf a, b;

	if (parse(data, size, &first) != ERR_OK)
		return 0;
	buf_init(&a, TEXT_MAX_BYTES);
	buf_init(&b, TEXT_MAX_BYTES);
	config_print(first, &a);
	REQUIRE(parse(a.ptr, a.len, &second) == ERR_OK);
	config_print(second, &b);
	REQUIRE(a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0);
	REQUIRE(first->endpoint_count == second->endpoint_count);
	for (size_t i = 0; i < first->endpoint_count; i++)
		compare(&first->endpoints[i], &second->endpoints[i]);
	(void)config_upstream_of(first, "api.example.com", 443);
	buf_free(&a);
	buf_free(&b);
	config_unref(first);
	config_unref(second);
	return 0;
}
