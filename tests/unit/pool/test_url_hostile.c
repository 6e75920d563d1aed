/* test_url_hostile.c - the gate for URLs against hostile ones: what passes, and why the rest does
 * not. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "hostile.h"
#include "pool/guard.h"
#include "tests/unit/pool/url_kit.h"

static struct guard *default_guard(void)
{
	uint16_t ports[] = {80, 443};
	struct config config = {
		.targets = {.public_addresses = true, .ports = ports, .port_count = 2}};
	struct guard *guard = NULL;

	ck_assert_int_eq(guard_new(&config, 8080, &guard, NULL), ERR_OK);
	return guard;
}

/* The gate, then the guard as it is configured by default. */
static const char *verdict(struct guard *guard, struct span text)
{
	struct url url = {0};
	bool nomem;
	enum item_reason reason = url_parse(text, nothing, &url, &nomem);

	if (reason == REASON_NONE)
		reason = guard_check_url(guard, &url);
	url_free(&url);
	return code_reason_text(reason);
}

START_TEST(every_url_of_the_hostile_list_gets_its_verdict)
{
	struct guard *guard = default_guard();
	struct hostile_row row = {0};
	FILE *file = hostile_open();
	unsigned count = 0;

	for (; hostile_next(file, "url", &row); count++) {
		const char *expected =
			strcmp(row.expected, "allow") == 0 ? "" : row.expected + strlen("deny:");
		const char *got = verdict(guard, (struct span){row.input, row.input_len});

		ck_assert_msg(strcmp(expected, got) == 0, "line %u: %s: expected %s, got %s",
			row.line, row.input, row.expected, got);
	}
	ck_assert_uint_ge(count, 120);
	fclose(file);
	guard_unref(guard);
}
END_TEST

static const struct {
	const char *text, *reason;
} variants[] = {
	{"http://127.0.1/", "host_invalid"},
	{"http://0x7f.1/", "host_invalid"},
	{"http://0X7F.1/", "host_invalid"},
	{"http://0X7F000001/", "host_invalid"},
	{"http://0x/", "host_invalid"},
	{"http://a.0x/", "host_invalid"},
	{"http://a.0xfg/", ""},
	{"http://0177.0.0.1/", "host_invalid"},
	{"http://127.0.0.01/", "host_invalid"},
	{"http://0/", "host_invalid"},
	{"http://00/", "host_invalid"},
	{"http://4294967296/", "host_invalid"},
	{"http://256.0.0.1/", "host_invalid"},
	{"http://1.2.3.4.5/", "host_invalid"},
	{"http://8.8.8.8.8/", "host_invalid"},
	{"http://example.123/", "host_invalid"},
	{"http://169.254.43518/", "host_invalid"},
	{"http://8.8.8.8./", "host_invalid"},
	{"http://8.8.8.8x/", ""},
	{"http://1.2.3.4a/", ""},
	{"http://127.0.0.1:80/", "address_denied"},
	{"http://0.1.2.3/", "address_denied"},
	{"http://172.31.255.255/", "address_denied"},
	{"http://172.32.0.0/", ""},
	{"http://[0:0:0:0:0:0:0:1]/", "address_denied"},
	{"http://[::ffff:127.0.0.1]/", "address_denied"},
	{"http://[::FFFF:7F00:1]/", "address_denied"},
	{"http://[2600:1f00::200:5efe:8.8.8.8]/", "address_denied"},
	{"http://[fec0::1]/", "address_denied"},
	{"http://[ff02::1]/", "address_denied"},
	{"http://[5f00::1]/", "address_denied"},
	{"https://[2606:4700:4700::1111]/", ""},
	{"https://[2606:4700:4700::1111]:443/x", ""},
	{"https://[2606:4700:4700::1111]:444/x", "port_denied"},
	{"http://[fe80::1%25lo]/", "host_invalid"},
	{"http://[fe80::1%lo]/", "host_invalid"},
	{"http://[fe80::1%25lo]:80/", "host_invalid"},
	{"http://[::1%/", "url_invalid"},
	{"http://[::1]%25lo/", "url_invalid"},
	{"http://[::1]x/", "url_invalid"},
	{"http://[::1]]/", "url_invalid"},
	{"http://[[::1]]/", "url_invalid"},
	{"http://x[::1]/", "url_invalid"},
	{"http://[::1:2:3:4:5:6:7:8]/", "url_invalid"},
	{"http://[1.2.3.4::]/", "url_invalid"},
	{"http://[::1.2.3.04]/", "url_invalid"},
	{"http://[vF.abc]/", "url_invalid"},
	{"http://::1/", "url_invalid"},
	{"http://:80/", "url_invalid"},
	{"http://?x", "url_invalid"},
	{"http://foo.localhost/", "host_denied"},
	{"http://x.LOCAL/", "host_denied"},
	{"http://local/", "host_denied"},
	{"http://internal/", "host_denied"},
	{"http://metadata.google.internal/computeMetadata/v1/", "host_denied"},
	{"http://db.svc/", "host_denied"},
	{"http://router.home.arpa/", "host_denied"},
	{"http://x.localdomain/", "host_denied"},
	{"http://notlocalhost/", ""},
	{"http://mylocal/", ""},
	{"http://localhost.example.com/", ""},
	{"http://example.com./", "host_invalid"},
	{"http://example.com../", "host_invalid"},
	{"http://./", "host_invalid"},
	{"http://../", "host_invalid"},
	{"http://XN--.com/", "host_invalid"},
	{"http://a.xn--/", "host_invalid"},
	{"http://a_b.example.com/", ""},
	{"http://example.com%2e/", "url_invalid"},
	{"http://ex%41mple.com/", "url_invalid"},
	{"http://127%2e0%2e0%2e1/", "url_invalid"},
	{"http://example.com:80%30/", "url_invalid"},
	{"http://exa*mple.com/", "url_invalid"},
	{"http://exa$mple.com/", "url_invalid"},
	{"http://exa,mple.com/", "url_invalid"},
	{"http://exa!mple.com/", "url_invalid"},
	{"http://exa~mple.com/", "url_invalid"},
	{"http://example.com;x/", "url_invalid"},
	{"http://{a,b}.example.com/", "url_invalid"},
	{"http://a:b@example.com/", "userinfo_denied"},
	{"http://a%40b@example.com/", "userinfo_denied"},
	{"http://example.com:80@127.0.0.1:80/", "userinfo_denied"},
	{"http://127.0.0.1@/", "userinfo_denied"},
	{"http://@/", "userinfo_denied"},
	{"http://example.com\\@127.0.0.1/", "url_invalid"},
	{"http://127.0.0.1\\@example.com/", "url_invalid"},
	{"http:\\\\example.com/", "url_invalid"},
	{"http://example.com/a\\b", "url_invalid"},
	{"http:/127.0.0.1/", "url_invalid"},
	{"http:/example.com", "url_invalid"},
	{"http:127.0.0.1/", "url_invalid"},
	{"http:example.com", "url_invalid"},
	{"http:", "url_invalid"},
	{"http:/", "url_invalid"},
	{"http:///", "url_invalid"},
	{"https:///example.com/", "url_invalid"},
	{"http", "url_invalid"},
	{":", "url_invalid"},
	{"://example.com/", "url_invalid"},
	{"/path", "url_invalid"},
	{"?q", "url_invalid"},
	{"example.com", "url_invalid"},
	{"127.0.0.1:80/x", "url_invalid"},
	{"localhost:8080/x", "url_invalid"},
	{"example.com:80", "url_invalid"},
	{"example.com:80?x", "url_invalid"},
	{"1http://example.com/", "url_invalid"},
	{"ht!tp://example.com/", "url_invalid"},
	{"http//example.com/", "url_invalid"},
	{"http ://example.com/", "url_invalid"},
	{"http://example.com:0/", "port_denied"},
	{"http://8.8.8.8:0/", "port_denied"},
	{"http://2130706433:0/", "host_invalid"},
	{"http://example.com:22/", "port_denied"},
	{"http://example.com:8080/", "port_denied"},
	{"http://example.com:443/", ""},
	{"https://example.com:80/", ""},
	{"http://example.com:65536/", "url_invalid"},
	{"http://example.com:99999999999999999999/", "url_invalid"},
	{"http://example.com:-1/", "url_invalid"},
	{"http://example.com:80a/", "url_invalid"},
	{"http://example.com:80:81/", "url_invalid"},
	{"http://example.com:00/", "url_invalid"},
	{"http://example.com:080/", "url_invalid"},
	{"http://example.com: 80/", "url_invalid"},
	{"http://example.com/a b", "url_invalid"},
	{"http://example.com/\t", "url_invalid"},
	{"http://example.com/\x7f", "url_invalid"},
	{"http://example.com/\r\nX: y", "url_invalid"},
	{"http://example.com/#a b", "url_invalid"},
	{"http://example.com/<x>", "url_invalid"},
	{"http://example.com/\"", "url_invalid"},
	{"http://example.com/^", "url_invalid"},
	{"http://example.com/`", "url_invalid"},
	{"http://example.com/{x}", "url_invalid"},
	{"http://example.com/|", "url_invalid"},
	{"http://example.com ", "url_invalid"},
	{"\xEF\xBB\xBFhttp://example.com/", "url_invalid"},
	{"http://example.com#@127.0.0.1/", ""},
	{"http://example.com/@127.0.0.1/", ""},
	{"http://example.com/%00%2e%2e/", ""},
	{"http://example.com/a[1]~!$&'()*+,;=:@", ""},
	{"FILE:///etc/passwd", "scheme_denied"},
	{"file:/etc/passwd", "scheme_denied"},
	{"file://localhost/etc/passwd", "scheme_denied"},
	{"ws://example.com/", "scheme_denied"},
	{"wss://example.com/", "scheme_denied"},
	{"unix:///var/run/docker.sock", "scheme_denied"},
	{"telnet://example.com:23/", "scheme_denied"},
	{"rtsp://example.com/", "scheme_denied"},
	{"mqtt://example.com/", "scheme_denied"},
	{"javascript:alert(1)", "scheme_denied"},
	{"data:,x", "scheme_denied"},
	{"jar:http://example.com!/", "scheme_denied"},
	{"mailto:a@example.com", "scheme_denied"},
	{"about:blank", "scheme_denied"},
	{"httpss://example.com/", "scheme_denied"},
	{"https+x://example.com/", "scheme_denied"},
	{"HTTP://EXAMPLE.COM/", ""},
	{"hTTpS://example.com", ""},
};

START_TEST(unlisted_variants_get_the_verdict_of_their_kind)
{
	struct guard *guard = default_guard();
	const char *got = verdict(guard, span_of(variants[_i].text));

	ck_assert_msg(strcmp(got, variants[_i].reason) == 0, "%s: expected \"%s\", got \"%s\"",
		variants[_i].text, variants[_i].reason, got);
	guard_unref(guard);
}
END_TEST

START_TEST(no_byte_outside_the_printable_ones_passes_anywhere)
{
	static const char *const around[][2] = {{"", "http://example.com/"},
		{"ht", "tp://example.com/"}, {"http://exam", "ple.com/"},
		{"http://example.com:8", "0/"}, {"http://example.com/a", "b"},
		{"http://example.com/?a", "b"}, {"http://example.com/#a", "b"},
		{"http://example.com/", ""}};
	struct url url = {0};
	char text[64];
	bool nomem;

	for (unsigned c = 0; c < 256; c++) {
		if (c > 0x20 && c < 0x7F && !strchr("\\\"<>^{|}`", (int)c))
			continue;
		for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
			int len = snprintf(
				text, sizeof text, "%s%c%s", around[i][0], (int)c, around[i][1]);

			ck_assert_int_eq(
				url_parse((struct span){text, (size_t)len}, nothing, &url, &nomem),
				REASON_URL_INVALID);
		}
	}
	ck_assert_ptr_null(url.text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/url_hostile");
	TCase *tcase = tcase_create("url_hostile");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, every_url_of_the_hostile_list_gets_its_verdict);
	tcase_add_loop_test(tcase, unlisted_variants_get_the_verdict_of_their_kind, 0,
		(int)(sizeof variants / sizeof *variants));
	tcase_add_test(tcase, no_byte_outside_the_printable_ones_passes_anywhere);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
