/* test_resolver_table.c - what a resolver keeps: answers, for how long and how many, and who waits
 * for them. */
#include "tests/unit/pool/resolver_kit.h"

START_TEST(long_answers_push_each_other_out_before_the_table_is_full)
{
	const unsigned fit = RESOLVER_BYTES_MAX / (500 * sizeof(union url_address));
	struct world world;
	char host[32];

	world_init(&world);
	ck_assert_uint_lt(fit, RESOLVER_TABLE_MAX);
	for (unsigned i = 0; i <= fit; i++) {
		snprintf(host, sizeof host, "500-%u.test", i);
		ck_assert_uint_eq(ask_and_wait(&world, host).answer.count, 500);
	}
	world.dns.queries = 0;
	ck_assert_uint_eq(ask_and_wait(&world, host).answer.count, 500);
	ck_assert_uint_eq(world.dns.queries, 0);
	ck_assert_uint_eq(ask_and_wait(&world, "500-0.test").answer.count, 500);
	ck_assert_uint_ge(world.dns.queries, 2);
	world_free(&world);
}
END_TEST

START_TEST(many_who_ask_for_one_name_share_one_look_up)
{
	struct world world;
	struct asker askers[10] = {0};

	world_init(&world);
	for (size_t i = 0; i < 10; i++) {
		askers[i].world = &world;
		ck_assert(!ask(&askers[i], "both.test"));
	}
	wait_for(&askers[9]);
	for (size_t i = 0; i < 10; i++) {
		ck_assert_uint_eq(askers[i].called, 1);
		ck_assert_uint_eq(askers[i].answer.count, 2);
	}
	ck_assert_uint_eq(world.dns.queries, 2);
	world_free(&world);
}
END_TEST

START_TEST(answers_are_kept_for_a_minute_and_a_name_that_does_not_exist_for_five_seconds)
{
	struct world world;
	struct asker asker = {.world = &world};

	world_init(&world);
	ask_and_wait(&world, "both.test");
	ask_and_wait(&world, "none.test");
	world.dns.queries = 0;
	world.now_us += 5 * SECOND - 1;
	ck_assert(ask(&asker, "none.test"));
	ck_assert_int_eq(asker.answer.status, RESOLVER_NO_NAME);
	world.now_us += 1;
	asker.called = 0;
	ck_assert(!ask(&asker, "none.test"));
	wait_for(&asker);
	ck_assert_uint_gt(world.dns.queries, 0);
	world.dns.queries = 0;
	world.now_us += 55 * SECOND - 1;
	ck_assert(ask(&asker, "both.test"));
	ck_assert_uint_eq(asker.answer.count, 2);
	ck_assert_uint_eq(world.dns.queries, 0);
	world.now_us += 1;
	asker.called = 0;
	ck_assert(!ask(&asker, "both.test"));
	wait_for(&asker);
	ck_assert_uint_eq(world.dns.queries, 2);
	world_free(&world);
}
END_TEST

START_TEST(a_server_that_failed_is_asked_again_by_who_tries_again)
{
	static const char vague[] = "the DNS server failed or cannot be reached"; /* c-ares 1.18 */
	static const char *const hosts[] = {"fail.test", "refuse.test"};
	static const char *const texts[] = {
		"the DNS server failed", "the DNS server refused to answer"};
	struct world world;

	world_init(&world);
	for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
		struct asker asker = ask_and_wait(&world, hosts[i]);
		bool told = strcmp(asker.answer.text, texts[i]) == 0;

		ck_assert_msg(told || strcmp(asker.answer.text, vague) == 0, "%s: %s", hosts[i],
			asker.answer.text);
		world.dns.queries = 0;
		world.now_us += SECOND / 10 - 1;
		asker.called = 0;
		ck_assert(ask(&asker, hosts[i])); /* who asks at the same time shares it */
		ck_assert_int_eq(asker.answer.status, RESOLVER_FAILED);
		ck_assert_uint_eq(world.dns.queries, 0);
		world.now_us += 1;
		asker.called = 0;
		ck_assert(!ask(&asker, hosts[i]));
		wait_for(&asker);
		ck_assert_uint_gt(world.dns.queries, 0);
	}
	world_free(&world);
}
END_TEST

START_TEST(who_forgets_is_not_called_and_the_answer_is_kept_all_the_same)
{
	struct world world;
	struct asker first = {.world = &world}, second = {.world = &world},
		     third = {.world = &world};

	world_init(&world);
	ck_assert(!ask(&first, "both.test") && !ask(&second, "both.test"));
	resolver_forget(world.resolver, &first.waiter);
	resolver_forget(world.resolver, &first.waiter); /* twice is harmless */
	wait_for(&second);
	ck_assert_uint_eq(first.called, 0);
	ck_assert(!ask(&third, "v4.test"));
	resolver_forget(world.resolver, &third.waiter);
	for (unsigned i = 0; resolver_due_us(world.resolver, world.now_us) != CLOCK_NEVER; i++) {
		ck_assert_uint_lt(i, TURNS_MAX);
		turn(&world);
	}
	ck_assert_uint_eq(third.called, 0);
	ck_assert(ask(&third, "v4.test"));
	ck_assert_uint_eq(third.answer.count, 1);
	world_free(&world);
}
END_TEST

START_TEST(a_callback_may_ask_and_forget)
{
	struct world world;
	struct asker other = {.world = &world}, victim = {.world = &world},
		     same = {.world = &world};
	struct asker first = {
		.world = &world, .ask_then = "v4.test", .next = &other, .forget = &victim};
	struct asker second = {.world = &world, .ask_then = "both.test", .next = &same};

	world_init(&world);
	ck_assert(!ask(&first, "both.test") && !ask(&second, "both.test") &&
		  !ask(&victim, "both.test"));
	wait_for(&other);
	ck_assert_uint_eq(first.called, 1);
	ck_assert_uint_eq(second.called, 1);
	ck_assert_uint_eq(victim.called, 0);
	ck_assert_uint_eq(same.called, 1); /* at once */
	ck_assert_uint_eq(same.answer.count, 2);
	world_free(&world);
}
END_TEST

START_TEST(the_table_is_bounded_and_the_oldest_goes_first)
{
	struct world world;
	struct asker asker = {.world = &world};
	char host[32];

	world_init(&world);
	ask_and_wait(&world, "both.test");
	for (unsigned i = 0; i < RESOLVER_TABLE_MAX; i++) {
		snprintf(host, sizeof host, "n%u.test", i);
		ask_and_wait(&world, host);
	}
	ck_assert(ask(&asker, "n4095.test"));
	ck_assert(ask(&asker, "n0.test"));
	world.dns.queries = 0;
	asker.called = 0;
	ck_assert(!ask(&asker, "both.test"));
	wait_for(&asker);
	ck_assert_uint_eq(world.dns.queries, 2);
	world_free(&world);
}
END_TEST

START_TEST(names_that_wait_are_never_evicted)
{
	static struct asker askers[RESOLVER_TABLE_MAX];
	struct world world;
	struct asker late = {.world = &world};
	char host[32];

	world_init(&world);
	for (unsigned i = 0; i < RESOLVER_TABLE_MAX; i++) {
		askers[i] = (struct asker){.world = &world};
		snprintf(host, sizeof host, "n%u.test", i);
		ck_assert(!ask(&askers[i], host));
		while (recv(world.dns.udp, host, 1, 0) > 0)
			; /* unanswered */
	}
	ck_assert(ask(&late, "late.test"));
	ck_assert_int_eq(late.answer.status, RESOLVER_FAILED);
	for (unsigned i = 0; i < RESOLVER_TABLE_MAX; i++) {
		ck_assert_uint_eq(askers[i].called, 0);
		resolver_forget(world.resolver, &askers[i].waiter);
	}
	world_free(&world);
}
END_TEST

START_TEST(a_resolver_ends_with_questions_on_the_way)
{
	struct world world;
	struct asker asker = {.world = &world};

	world_init(&world);
	ck_assert(!ask(&asker, "mute.test"));
	ck_assert(dns_server_answer(&world.dns));
	ck_assert(resolver_due_us(world.resolver, world.now_us) > world.now_us);
	ck_assert(resolver_due_us(world.resolver, world.now_us) <= world.now_us + 3 * SECOND);
	resolver_forget(world.resolver, &asker.waiter);
	world_free(&world);
	ck_assert_uint_eq(asker.called, 0);
	resolver_destroy(NULL);
}
END_TEST

START_TEST(no_memory_fails_the_question_and_nothing_else)
{
	struct world world;
	bool failed = true;

	for (unsigned long n = 1; failed; n++) {
		struct resolver *resolver = NULL;
		enum err_code code;

		ck_assert_uint_lt(n, 10);
		mem_fail_at(n);
		code = resolver_new(on_watch, &world, &resolver, NULL);
		failed = mem_failed();
		ck_assert_int_eq(code, failed ? ERR_NOMEM : ERR_OK);
		mem_fail_at(0);
		resolver_destroy(resolver);
	}
	failed = true;
	for (unsigned long n = 1; failed; n++) {
		struct asker asker;

		ck_assert_uint_lt(n, 20);
		world_init(&world);
		mem_fail_at(n);
		asker = ask_and_wait(&world, "cname.test");
		failed = mem_failed();
		mem_fail_at(0);
		ck_assert_int_eq(asker.answer.status, failed ? RESOLVER_FAILED : RESOLVER_OK);
		asker = ask_and_wait(&world, "cname.test"); /* such a failure is not kept */
		ck_assert_int_eq(asker.answer.status, RESOLVER_OK);
		ck_assert_uint_eq(asker.answer.alias_count, 1);
		world_free(&world);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/resolver_table");
	TCase *tcase = tcase_create("resolver_table");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, long_answers_push_each_other_out_before_the_table_is_full);
	tcase_add_test(tcase, many_who_ask_for_one_name_share_one_look_up);
	tcase_add_test(tcase,
		answers_are_kept_for_a_minute_and_a_name_that_does_not_exist_for_five_seconds);
	tcase_add_test(tcase, a_server_that_failed_is_asked_again_by_who_tries_again);
	tcase_add_test(tcase, who_forgets_is_not_called_and_the_answer_is_kept_all_the_same);
	tcase_add_test(tcase, a_callback_may_ask_and_forget);
	tcase_add_test(tcase, the_table_is_bounded_and_the_oldest_goes_first);
	tcase_add_test(tcase, names_that_wait_are_never_evicted);
	tcase_add_test(tcase, a_resolver_ends_with_questions_on_the_way);
	tcase_add_test(tcase, no_memory_fails_the_question_and_nothing_else);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
