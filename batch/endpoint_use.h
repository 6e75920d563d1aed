/* endpoint_use.h - what the items of one batch of a named endpoint have in common. One owner;
 * constant while items run. */
#ifndef BATCH_ENDPOINT_USE_H
#define BATCH_ENDPOINT_USE_H
#include "batch/endpoint.h"

enum { ENDPOINT_KEY_SIZE = 33 };

struct endpoint_use {
	struct endpoint_set *set;
	const struct endpoint *endpoint; /* of the set */
	/* Its defaults, from which the batch's are read: strings are decoded in it. */
	char *defaults;
	size_t defaults_len;
	struct buf params;           /* JSON: every param with its value */
	char key[ENDPOINT_KEY_SIZE]; /* what its calls' Idempotency-Key begins with: random */
};

/* Takes a reference. ERR_NOMEM. */
enum err_code endpoint_use_new(struct endpoint_set *set, const struct endpoint *endpoint,
	struct endpoint_use **ret_use) MUST_CHECK;
void endpoint_use_destroy(struct endpoint_use *use);       /* wipes what is secret; NULL is fine */
size_t endpoint_use_bytes(const struct endpoint_use *use); /* of heap that it holds */
#endif
