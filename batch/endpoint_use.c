/* endpoint_use.c - what the items of one batch of a named endpoint have in common. */
#include "batch/endpoint_use.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/mem.h"

static void make_key(char key[ENDPOINT_KEY_SIZE])
{
	uint64_t random[2] = {clock_us(), 0};

	if (getrandom(random, sizeof random, 0) != sizeof random)
		random[1] = (uint64_t)(uintptr_t)key; /* early in a boot: better than nothing */
	snprintf(key, ENDPOINT_KEY_SIZE, "%016llx%016llx", (unsigned long long)random[0],
		(unsigned long long)random[1]);
}

enum err_code endpoint_use_new(
	struct endpoint_set *set, const struct endpoint *endpoint, struct endpoint_use **ret_use)
{
	struct endpoint_use *use = mem_try(sizeof *use);

	if (!use)
		return ERR_NOMEM;
	use->defaults_len = endpoint->defaults.len;
	use->defaults = mem_copy(endpoint->defaults.ptr, use->defaults_len);
	if (!use->defaults) {
		mem_free(use);
		return ERR_NOMEM;
	}
	use->set = endpoint_set_ref(set);
	use->endpoint = endpoint;
	buf_init(&use->params, SIZE_MAX / 2);
	if (endpoint->config->idempotent)
		make_key(use->key);
	*ret_use = use;
	return ERR_OK;
}

void endpoint_use_destroy(struct endpoint_use *use)
{
	if (!use)
		return;
	mem_wipe(use->defaults, use->defaults_len);
	mem_free(use->defaults);
	buf_free(&use->params);
	endpoint_set_unref(use->set);
	mem_free(use);
}

size_t endpoint_use_bytes(const struct endpoint_use *use)
{
	return mem_block(sizeof *use) + mem_block(use->defaults_len + 1) +
	       (use->params.capacity ? mem_block(use->params.capacity) : 0);
}
