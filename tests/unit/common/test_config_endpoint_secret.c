/* test_config_endpoint_secret.c - which values of an endpoint must never be shown. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/config.h"
#include "tests/harness/check_main.h"
#include "tests/unit/common/endpoint_kit.h"
#include "tests/unit/common/parse.h"

static const struct {
	const char *yaml;    /* within the mapping of the endpoint */
	const char *secrets; /* each behind a line break */
} secret_table[] = {
	{"url: 'http://a'", ""},
	{"url: '${BASE}'", ""},
	{"url: '${BASE}/x'", ""},
	{"url: 'http://a/${KEY}/x'", "\ns3cr3t-key-0123"},
	{"url: 'http://a/?k=${KEY}&l=${KEY}'", "\ns3cr3t-key-0123"},
	{"url: 'http://a/?k=${PIN}'", ""},
	{"url: '${GEMINI}&x=1'", "\n0123456789"},
	{"url: '${HOOK}/x'", "\nservices/T0/B0"},
	{"url: '${HOOK}?${HOOK}'", "\nhttp://h/services/T0/B0\nservices/T0/B0"},
	{"url: 'http://a/${NO:-something-long}'", ""},
	{"url: 'http://a/${EMPTY:-something-long}'", ""},
	{"url: 'http://a/${KEY:-something-long}'", "\ns3cr3t-key-0123"},
	{"url: 'http://a', query: {k: 'x${KEY}', l: ['${KEY}', lit-eral-value]}",
		"\ns3cr3t-key-0123"},
	{"url: 'http://a', headers: {X-Tenant: 'a-${KEY}-b'}", "\ns3cr3t-key-0123"},
	{"url: 'http://a', headers: {X-Tenant: 'lit-eral-value'}", ""},
	{"url: 'http://a', headers: {X-Tenant: '${SPACED}'}", "\npadded-secret"},
	{"url: 'http://a', headers: {authorization: 'Bearer literal-token'}",
		"\nBearer literal-token\nliteral-token"},
	{"url: 'http://a', headers: {Authorization: 'Bearer ${KEY}', X-API-Key: '${KEY}'}",
		"\nBearer s3cr3t-key-0123\ns3cr3t-key-0123"},
	{"url: 'http://a', headers: {Proxy-Authorization: 0123456789, Cookie: a=b, "
	 "X-Goog-Api-Key: abcdefghijk, Api-Key: abcdefgh, x-mine: of-log-redact, X-Short: 1}",
		"\nof-log-redact\nabcdefghijk\n0123456789\nabcdefgh"},
	{"url: 'http://a', headers: {X-Api-Key: short}", ""},
};

START_TEST(what_must_not_be_shown_is_known)
{
	const struct config_strings *secrets;
	struct config *config;
	struct buf text, found;

	buf_init(&text, 1 << 16);
	buf_init(&found, 1 << 16);
	buf_adds(&found, "");
	buf_addf(&text, "endpoints: {x: {%s}}\nlog: {redact: [X-MINE]}\n", secret_table[_i].yaml);
	config = parse_good(text.ptr, endpoint_env);
	secrets = &config->endpoints[0].secrets;
	for (size_t i = 0; i < secrets->count; i++) {
		buf_addf(&found, "\n%s", secrets->items[i]);
		ck_assert(i == 0 || strlen(secrets->items[i]) <= strlen(secrets->items[i - 1]));
	}
	ck_assert_str_eq(found.ptr, secret_table[_i].secrets);
	config_unref(config);
	buf_free(&text);
	buf_free(&found);
}
END_TEST

START_TEST(a_secret_may_stand_in_a_file)
{
	char path[] = "/tmp/batchgate-test-XXXXXX", file[] = "/tmp/batchgate-test-XXXXXX";
	char flag[] = "--config", *argv[] = {flag, file};
	int fd = mkstemp(path), other = mkstemp(file);
	struct config *c = NULL;

	ck_assert_int_eq(write(fd, "\nfile-secret\n", 13), 13);
	dprintf(other, "endpoints: {x: {url: 'http://a', headers: {X-T: 'a ${file:%s}'}}}\n", path);
	ck_assert_int_eq(config_load(2, argv, endpoint_env, &c, &warnings, &faults), ERR_OK);
	ck_assert_str_eq(c->endpoints[0].headers[0].value, "a file-secret");
	ck_assert_uint_eq(c->endpoints[0].secrets.count, 1);
	ck_assert_str_eq(c->endpoints[0].secrets.items[0], "file-secret");
	config_unref(c);
	close(fd);
	close(other);
	unlink(path);
	unlink(file);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, what_must_not_be_shown_is_known, 0, CHECK_COUNT(secret_table));
	tcase_add_test(tests, a_secret_may_stand_in_a_file);
	return check_run("config_endpoint_secret", tests);
}
