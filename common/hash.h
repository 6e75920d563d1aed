/* hash.h - a chained hash table of nodes that live in the things; seeded, so that names from
 * outside cannot aim at a bucket.
 *
 * One owner, one lock or thread. Growing is best effort: without memory the chains get longer, so
 * inserting never fails. */
#ifndef COMMON_HASH_H
#define COMMON_HASH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct hash_node {
	struct hash_node *next;
	uint64_t key; /* hash of the thing's key */
};

struct hash {
	struct hash_node **buckets;
	size_t count, size; /* size: a power of two */
	uint64_t seed;
};

typedef bool hash_match_fn(const struct hash_node *node, const void *key);

/* ERR_NOMEM; size is rounded up. */
enum err_code hash_init(struct hash *hash, size_t size) MUST_CHECK;
void hash_free(struct hash *hash); /* the nodes are their owner's */
uint64_t hash_bytes(const struct hash *hash, const void *bytes, size_t len);
struct hash_node *hash_find(
	const struct hash *hash, uint64_t key, hash_match_fn *match, const void *what);
void hash_insert(struct hash *hash, struct hash_node *node, uint64_t key);
void hash_remove(struct hash *hash, struct hash_node *node); /* it must be there */
#endif
