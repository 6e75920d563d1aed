/* test_resolver.c - names to addresses, against a DNS server on loopback that this program plays
 * itself. */
#include "tests/unit/pool/resolver_kit.h"

START_TEST(both_families_are_asked_for_and_all_addresses_given)
{
	struct world world;
	struct asker asker;

	world_init(&world);
	asker = ask_and_wait(&world, "both.test");
	ck_assert_int_eq(asker.answer.status, RESOLVER_OK);
	ck_assert_uint_eq(asker.answer.count, 2);
	ck_assert(has(&asker, "8.8.8.8") && has(&asker, "2606::8"));
	ck_assert_uint_eq(asker.answer.alias_count, 0);
	ck_assert_uint_eq(world.dns.queries, 2);
	asker = ask_and_wait(&world, "v4.test");
	ck_assert(asker.answer.count == 1 && has(&asker, "8.8.4.4"));
	ck_assert_uint_eq(asker.addresses[0].v4.sin_port, 0);
	asker = ask_and_wait(&world, "v6.test");
	ck_assert(asker.answer.count == 1 && has(&asker, "64:ff9b::a00:1"));
	asker = ask_and_wait(&world, "mixed.test");
	ck_assert(has(&asker, "8.8.8.8") && has(&asker, "169.254.169.254"));
	world_free(&world);
}
END_TEST

START_TEST(an_answer_too_long_for_udp_comes_over_tcp_with_all_its_addresses)
{
	struct world world;
	struct asker asker;

	world_init(&world);
	asker = ask_and_wait(&world, "500-x.test");
	ck_assert_int_eq(asker.answer.status, RESOLVER_OK);
	ck_assert_uint_eq(asker.answer.count, 500);
	ck_assert(has(&asker, "8.8.0.1") && has(&asker, "169.254.169.254"));
	ck_assert_uint_ge(world.dns.tcp_queries, 1);
	world_free(&world);
}
END_TEST

START_TEST(more_addresses_than_can_be_judged_are_a_failure)
{
	struct world world;
	struct asker asker;
	char host[32];

	world_init(&world);
	snprintf(host, sizeof host, "%u-x.test", RESOLVER_ADDRESSES_MAX);
	asker = ask_and_wait(&world, host);
	ck_assert_int_eq(asker.answer.status, RESOLVER_OK);
	ck_assert_uint_eq(asker.answer.count, RESOLVER_ADDRESSES_MAX);
	snprintf(host, sizeof host, "%u-x.test", RESOLVER_ADDRESSES_MAX + 1);
	asker = ask_and_wait(&world, host);
	ck_assert_int_eq(asker.answer.status, RESOLVER_FAILED);
	ck_assert_ptr_nonnull(strstr(asker.answer.text, "too many addresses"));
	ck_assert_uint_eq(asker.answer.count, 0);
	world_free(&world);
}
END_TEST

START_TEST(failures_are_told_apart)
{
	static const struct {
		const char *host;
		enum resolver_status status;
	} rows[] = {{"none.test", RESOLVER_NO_NAME}, {"empty.test", RESOLVER_NO_NAME},
		{"fail.test", RESOLVER_FAILED}, {"refuse.test", RESOLVER_FAILED},
		{"half.test", RESOLVER_OK}};
	struct world world;

	world_init(&world);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct asker asker = ask_and_wait(&world, rows[i].host);

		ck_assert_msg(asker.answer.status == rows[i].status, "%s: %d (%s)", rows[i].host,
			(int)asker.answer.status, asker.answer.text);
		ck_assert_uint_eq(asker.answer.count, rows[i].status == RESOLVER_OK);
		ck_assert_ptr_nonnull(asker.answer.text);
	}
	world_free(&world);
}
END_TEST

START_TEST(aliases_are_given_and_a_chain_too_long_to_judge_fails)
{
	struct world world;
	struct asker asker;

	world_init(&world);
	asker = ask_and_wait(&world, "cname.test");
	ck_assert_int_eq(asker.answer.status, RESOLVER_OK);
	ck_assert_uint_eq(asker.answer.alias_count, 1);
	ck_assert_str_eq(asker.aliases[0], "localhost");
	ck_assert(has(&asker, "127.0.0.1"));
	asker = ask_and_wait(&world, "chain.test");
	ck_assert_int_eq(asker.answer.status, RESOLVER_OK);
	ck_assert_uint_eq(asker.answer.alias_count, 8);
	ck_assert_str_eq(asker.aliases[7], "link8.test");
	asker = ask_and_wait(&world, "long.test");
	ck_assert_int_eq(asker.answer.status, RESOLVER_FAILED);
	ck_assert_uint_eq(asker.answer.count, 0);
	world_free(&world);
}
END_TEST

START_TEST(hosts_are_answered_from_the_file_at_once_and_without_a_query)
{
	struct world world;
	struct asker asker = {.world = &world};

	world_init(&world);
	ck_assert(ask(&asker, "localhost"));
	ck_assert_int_eq(asker.answer.status, RESOLVER_OK);
	ck_assert(has(&asker, "127.0.0.1") || has(&asker, "::1"));
	ck_assert(resolver_due_us(world.resolver, world.now_us) ==
		  world.now_us); /* bookkeeping is left */
	turn(&world);
	ck_assert(resolver_due_us(world.resolver, world.now_us) == CLOCK_NEVER);
	ck_assert_uint_eq(world.dns.queries, 0);
	world_free(&world);
}
END_TEST

START_TEST(no_search_list_is_appended)
{
	struct world world;
	struct asker asker;

	setenv("LOCALDOMAIN", "search.test", 1);
	world_init(&world);
	asker = ask_and_wait(&world, "single");
	ck_assert_int_eq(asker.answer.status, RESOLVER_NO_NAME);
	ck_assert_str_eq(world.dns.last_name, "single");
	ck_assert_uint_le(world.dns.queries, 2);
	world_free(&world);
	unsetenv("LOCALDOMAIN");
}
END_TEST

START_TEST(a_server_that_is_not_there_fails_the_name)
{
	struct world world;
	struct asker asker;

	world_init(&world);
	close(world.dns.udp); /* the port is free now: refused */
	world.dns.udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	asker = ask_and_wait(&world, "both.test");
	ck_assert_int_eq(asker.answer.status, RESOLVER_FAILED);
	world_free(&world);
}
END_TEST

START_TEST(servers_that_are_none_are_refused)
{
	struct world world;
	struct err err;

	world_init(&world);
	ck_assert_int_eq(resolver_set_servers(world.resolver, "not an address", &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.detail, "not an address"));
	world_free(&world);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/resolver");
	TCase *tcase = tcase_create("resolver");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, both_families_are_asked_for_and_all_addresses_given);
	tcase_add_test(tcase, an_answer_too_long_for_udp_comes_over_tcp_with_all_its_addresses);
	tcase_add_test(tcase, more_addresses_than_can_be_judged_are_a_failure);
	tcase_add_test(tcase, failures_are_told_apart);
	tcase_add_test(tcase, aliases_are_given_and_a_chain_too_long_to_judge_fails);
	tcase_add_test(tcase, hosts_are_answered_from_the_file_at_once_and_without_a_query);
	tcase_add_test(tcase, no_search_list_is_appended);
	tcase_add_test(tcase, a_server_that_is_not_there_fails_the_name);
	tcase_add_test(tcase, servers_that_are_none_are_refused);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
