/* test_hash.c - what was put in is found, what was not is not, with collisions, growth and without
 * memory. */
#include <stdio.h>
#include <string.h>

#include "common/hash.h"
#include "common/list.h"
#include "common/mem.h"
#include "tests/harness/check_main.h"

enum { COUNT = 2000 };

struct thing {
	struct hash_node node;
	int number;
};

static bool matches(const struct hash_node *node, const void *what)
{
	return LIST_OF(node, const struct thing, node)->number == *(const int *)what;
}

static uint64_t key_of(const struct hash *hash, int number)
{
	return hash_bytes(hash, &number, sizeof number);
}

static struct thing *find(const struct hash *hash, int number)
{
	struct hash_node *found = hash_find(hash, key_of(hash, number), matches, &number);

	return found ? LIST_OF(found, struct thing, node) : NULL;
}

START_TEST(things_are_found_until_they_are_removed)
{
	struct hash hash;
	struct thing *things = mem_new(COUNT * sizeof *things);

	ck_assert_int_eq(hash_init(&hash, 1), ERR_OK);
	for (int i = 0; i < COUNT; i++) {
		things[i].number = i;
		hash_insert(&hash, &things[i].node, key_of(&hash, i));
	}
	ck_assert_uint_eq(hash.count, COUNT);
	ck_assert_uint_ge(hash.size, COUNT); /* it grew */
	for (int i = 0; i < COUNT; i += 3)
		hash_remove(&hash, &things[i].node);
	for (int i = 0; i < COUNT * 2; i++) {
		struct thing *found = find(&hash, i);

		ck_assert_ptr_eq(found, i < COUNT && i % 3 ? &things[i] : NULL);
	}
	for (int i = 0; i < COUNT; i++)
		if (i % 3)
			hash_remove(&hash, &things[i].node);
	ck_assert_uint_eq(hash.count, 0);
	hash_free(&hash);
	mem_free(things);
}
END_TEST

START_TEST(things_with_one_key_are_told_apart)
{
	struct hash hash;
	struct thing things[20];
	int number = 21;

	ck_assert_int_eq(hash_init(&hash, 16), ERR_OK);
	for (int i = 0; i < 20; i++) {
		things[i].number = i;
		hash_insert(&hash, &things[i].node, 42);
	}
	for (int i = 0; i < 20; i++)
		ck_assert_ptr_eq(hash_find(&hash, 42, matches, &i), &things[i].node);
	ck_assert_ptr_null(hash_find(&hash, 42, matches, &number));
	for (int i = 19; i >= 0; i -= 2)
		hash_remove(&hash, &things[i].node);
	for (int i = 0; i < 20; i++)
		ck_assert_ptr_eq(hash_find(&hash, 42, matches, &i), i % 2 ? NULL : &things[i].node);
	hash_free(&hash);
}
END_TEST

START_TEST(without_memory_a_table_takes_things_with_longer_chains)
{
	struct hash hash;
	struct thing things[40];

	mem_fail_at(1);
	ck_assert_int_eq(hash_init(&hash, 16), ERR_NOMEM);
	hash_free(&hash);
	ck_assert_int_eq(hash_init(&hash, 16), ERR_OK);
	for (int i = 0; i < 40; i++) {
		mem_fail_at(1);
		things[i].number = i;
		hash_insert(&hash, &things[i].node, key_of(&hash, i));
	}
	mem_fail_at(0);
	ck_assert_uint_eq(hash.size, 16);
	for (int i = 0; i < 40; i++)
		ck_assert_ptr_eq(find(&hash, i), &things[i]);
	hash_free(&hash);
}
END_TEST

START_TEST(keys_differ_with_every_byte_the_length_and_the_seed)
{
	struct hash one, other;
	char text[41];
	uint64_t seen[2000];
	size_t count = 0;

	ck_assert_int_eq(hash_init(&one, 16), ERR_OK);
	ck_assert_int_eq(hash_init(&other, 16), ERR_OK);
	memset(text, 'a', sizeof text);
	for (size_t len = 0; len <= 40; len++) {
		seen[count++] = hash_bytes(&one, text, len);
		for (size_t at = 0; at < len; at++) {
			text[at] = 'b';
			seen[count++] = hash_bytes(&one, text, len);
			text[at] = 'a';
		}
	}
	for (size_t i = 0; i < count; i++) {
		for (size_t j = i + 1; j < count; j++) {
			if (seen[i] == seen[j])
				ck_abort_msg("%zu and %zu", i, j);
		}
	}
	ck_assert_uint_eq(hash_bytes(&one, "\0", 1), hash_bytes(&one, "\0", 1));
	ck_assert_uint_ne(hash_bytes(&one, "\0", 1), hash_bytes(&one, "\0\0", 2));
	ck_assert_uint_ne(hash_bytes(&one, "abc", 3), hash_bytes(&other, "abc", 3));
	hash_free(&one);
	hash_free(&other);
}
END_TEST

/* Names that differ in a digit must not gather in few buckets. */
START_TEST(similar_names_spread_over_the_buckets)
{
	struct hash hash;
	struct thing *things = mem_new(4096 * sizeof *things);
	size_t longest = 0;

	ck_assert_int_eq(hash_init(&hash, 4096), ERR_OK);
	for (int i = 0; i < 4096; i++) {
		char name[40];
		int len = snprintf(name, sizeof name, "https://host-%d.example.com:443", i);

		hash_insert(&hash, &things[i].node, hash_bytes(&hash, name, (size_t)len));
	}
	for (size_t i = 0; i < hash.size; i++) {
		size_t chain = 0;

		for (struct hash_node *node = hash.buckets[i]; node; node = node->next)
			chain++;
		longest = chain > longest ? chain : longest;
	}
	ck_assert_uint_le(longest, 12); /* a random function passes 12 once in ten million times */
	hash_free(&hash);
	mem_free(things);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_test(tests, things_are_found_until_they_are_removed);
	tcase_add_test(tests, things_with_one_key_are_told_apart);
	tcase_add_test(tests, without_memory_a_table_takes_things_with_longer_chains);
	tcase_add_test(tests, keys_differ_with_every_byte_the_length_and_the_seed);
	tcase_add_test(tests, similar_names_spread_over_the_buckets);
	return check_run("hash", tests);
}
