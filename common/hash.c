/* hash.c - a chained hash table of nodes that live in the things; seeded, so that names from
 * outside cannot aim at a bucket. */
#include "common/hash.h"

#include <string.h>
#include <sys/random.h>

#include "common/mem.h"

enum err_code hash_init(struct hash *hash, size_t size)
{
	size_t rounded = 16;

	while (rounded < size)
		rounded *= 2;
	*hash = (struct hash){.size = rounded};
	hash->buckets = mem_try(rounded * sizeof(struct hash_node *));
	if (!hash->buckets)
		return ERR_NOMEM;
	if (getrandom(&hash->seed, sizeof hash->seed, 0) != sizeof hash->seed)
		hash->seed = (uint64_t)(uintptr_t)hash->buckets;
	return ERR_OK;
}

void hash_free(struct hash *hash)
{
	mem_free(hash->buckets);
	*hash = (struct hash){0};
}

/* SplitMix64's finaliser (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
	return x ^ (x >> 31);
}

uint64_t hash_bytes(const struct hash *hash, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	uint64_t state = mix(hash->seed ^ len), word;

	for (; len >= 8; len -= 8, at += 8) {
		memcpy(&word, at, 8);
		state = mix(state ^ word) + hash->seed;
	}
	word = 0;
	if (len)
		memcpy(&word, at, len);
	return mix(state ^ word);
}

struct hash_node *hash_find(
	const struct hash *hash, uint64_t key, hash_match_fn *match, const void *what)
{
	struct hash_node *node = hash->buckets[key & (hash->size - 1)];

	while (node && !(node->key == key && match(node, what)))
		node = node->next;
	return node;
}

static void grow(struct hash *hash)
{
	size_t size = hash->size * 2;
	struct hash_node **buckets = mem_try(size * sizeof(struct hash_node *));

	if (!buckets)
		return;
	for (size_t i = 0; i < hash->size; i++) {
		for (struct hash_node *node = hash->buckets[i], *after; node; node = after) {
			after = node->next;
			node->next = buckets[node->key & (size - 1)];
			buckets[node->key & (size - 1)] = node;
		}
	}
	mem_free(hash->buckets);
	hash->buckets = buckets;
	hash->size = size;
}

void hash_insert(struct hash *hash, struct hash_node *node, uint64_t key)
{
	struct hash_node **bucket;

	if (hash->count >= hash->size)
		grow(hash);
	bucket = &hash->buckets[key & (hash->size - 1)];
	node->key = key;
	node->next = *bucket;
	*bucket = node;
	hash->count++;
}

void hash_remove(struct hash *hash, struct hash_node *node)
{
	struct hash_node **at = &hash->buckets[node->key & (hash->size - 1)];

	while (*at && *at != node)
		at = &(*at)->next;
	REQUIRE(*at == node);
	*at = node->next;
	node->next = NULL;
	hash->count--;
}
