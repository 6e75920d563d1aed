/* test_rules.c - the configuration's upstreams as the scheduler wants them, and their counts over a
 * reload. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "pool/rules.h"

static char *no_env[] = {NULL};

static struct config *parse(const char *text)
{
	struct config *config = NULL;
	struct buf warnings, faults;

	buf_init(&warnings, 1 << 16);
	buf_init(&faults, 1 << 16);
	ck_assert_msg(config_parse_text("f.yaml", text, strlen(text), no_env, &config, &warnings,
			      &faults) == ERR_OK,
		"%s", faults.ptr ? faults.ptr : "");
	buf_free(&warnings);
	buf_free(&faults);
	return config;
}

static struct rules *make(const struct config *config)
{
	struct rules *rules;

	ck_assert_int_eq(rules_new(config, &rules), ERR_OK);
	return rules;
}

static struct upstream_rule find(struct rules *rules, char *host, uint16_t port)
{
	struct url url = {.host = host, .port = port};
	struct upstream_rule rule;

	memset(&rule, 0xAA, sizeof rule); /* every field has to be said */
	rules_find(rules, &url, &rule);
	return rule;
}

static const char three[] =
	"upstreams:\n"
	"  - {match: 'a.test:8080', concurrency: 3, rate_limit: 30/min,\n"
	"     breaker: {failures: 2, open: 1500ms, max_open: 9s}, retry_budget: 25%}\n"
	"  - {match: 'a.test', concurrency: 4, breaker: {}}\n"
	"  - {match: '*.test', concurrency: 5, rate_limit: 7/s}\n";

START_TEST(the_first_pattern_that_matches_gives_all_of_the_rule)
{
	struct config *config = parse(three);
	struct rules *rules = make(config);
	struct upstream_rule rule = find(rules, (char[]){"a.test"}, 8080);

	ck_assert_uint_eq(rules_count(rules), 4); /* the implied "*" is one */
	ck_assert_uint_eq(rule.concurrency, 3);
	ck_assert_double_eq(rule.rate_per_s, 0.5);
	ck_assert_uint_eq(rule.breaker.failures, 2);
	ck_assert_uint_eq(rule.breaker.open_us, 1500000);
	ck_assert_uint_eq(rule.breaker.max_open_us, 9000000);
	ck_assert_uint_eq(rule.retry_percent, 25);
	ck_assert_uint_eq(rule.index, 0);
	rule = find(rules, (char[]){"a.test"}, 80);
	ck_assert_uint_eq(rule.concurrency, 4);
	ck_assert_uint_eq(rule.breaker.failures, 5); /* a breaker without a word has these */
	ck_assert_uint_eq(rule.breaker.open_us, 30000000);
	ck_assert_uint_eq(rule.breaker.max_open_us, 300000000);
	ck_assert_uint_eq(rule.index, 1);
	rule = find(rules, (char[]){"b.test"}, 80);
	ck_assert_uint_eq(rule.concurrency, 5);
	ck_assert_double_eq(rule.rate_per_s, 7);
	ck_assert_uint_eq(rule.index, 2);
	rules_destroy(rules);
	config_unref(config);
}
END_TEST

START_TEST(without_a_word_nothing_but_the_concurrency_is_bounded)
{
	struct config *config = parse("");
	struct rules *rules = make(config);
	struct upstream_rule rule = find(rules, (char[]){"a.test"}, 443);

	ck_assert_uint_eq(rules_count(rules), 1);
	ck_assert_uint_eq(rule.concurrency, 128);
	ck_assert_double_eq(rule.rate_per_s, 0);
	ck_assert_uint_eq(rule.breaker.failures, 0);
	ck_assert_uint_eq(rule.retry_percent, 0);
	ck_assert_uint_eq(rule.index, 0);
	rules_destroy(rules);
	config_unref(config);
}
END_TEST

START_TEST(what_is_counted_under_a_rule_is_told_under_its_index)
{
	struct config *config = parse(three);
	struct rules *rules = make(config);
	struct upstream_rule rule;

	rule = find(rules, (char[]){"b.test"}, 80);
	rule.sum->attempts = 7;
	rule = find(rules, (char[]){"c.test"}, 80); /* another host, the same rule */
	rule.sum->attempts++;
	ck_assert_uint_eq(rules_counts(rules, 2)->attempts, 8);
	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_eq(rules_counts(rules, i)->attempts, i == 2 ? 8 : 0);
	rules_destroy(rules);
	config_unref(config);
}
END_TEST

START_TEST(over_a_reload_counts_follow_the_pattern_wherever_it_stands_now)
{
	struct config *before = parse(three),
		      *after = parse("upstreams:\n"
				     "  - {match: 'new.example', concurrency: 2}\n"
				     "  - {match: 'A.TEST:8080', concurrency: 3}\n"
				     "  - {match: '*.test', concurrency: 1}\n"
				     "  - {match: '*', concurrency: 4}\n");
	struct rules *was = make(before), *is = make(after);
	static const uint64_t attempts[] = {1, 2, 4, 8}, kept[] = {0, 1, 4, 8};

	find(was, (char[]){"a.test"}, 8080).sum->attempts = attempts[0];
	find(was, (char[]){"a.test"}, 80).sum->attempts = attempts[1];
	find(was, (char[]){"b.test"}, 80).sum->attempts = attempts[2];
	find(was, (char[]){"else.example"}, 80).sum->attempts = attempts[3];
	find(was, (char[]){"b.test"}, 80).sum->opened = 3;
	rules_carry_over(is, was);
	rules_destroy(was);
	config_unref(before);
	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_eq(rules_counts(is, i)->attempts, kept[i]);
	ck_assert_uint_eq(rules_counts(is, 2)->opened, 3);
	find(is, (char[]){"b.test"}, 80).sum->attempts++; /* and go on */
	ck_assert_uint_eq(rules_counts(is, 2)->attempts, 5);
	rules_destroy(is);
	config_unref(after);
}
END_TEST

START_TEST(without_memory_there_are_no_rules)
{
	struct config *config = parse(three);
	struct rules *rules = NULL;

	mem_fail_at(1);
	ck_assert_int_eq(rules_new(config, &rules), ERR_NOMEM);
	mem_fail_at(0);
	ck_assert_ptr_null(rules);
	rules_destroy(rules);
	config_unref(config);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rules");
	TCase *tcase = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, the_first_pattern_that_matches_gives_all_of_the_rule);
	tcase_add_test(tcase, without_a_word_nothing_but_the_concurrency_is_bounded);
	tcase_add_test(tcase, what_is_counted_under_a_rule_is_told_under_its_index);
	tcase_add_test(tcase, over_a_reload_counts_follow_the_pattern_wherever_it_stands_now);
	tcase_add_test(tcase, without_memory_there_are_no_rules);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
