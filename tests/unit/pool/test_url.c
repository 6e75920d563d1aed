/* test_url.c - the gate for URLs: what passes, in which spelling, and why the rest does not. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "hostile.h"
#include "pool/guard.h"
#include "pool/url.h"

static const struct span nothing;

static enum item_reason parse(const char *text, struct url *ret_url)
{
	bool nomem = true;
	enum item_reason reason = url_parse(span_of(text), nothing, ret_url, &nomem);

	ck_assert(!nomem);
	return reason;
}

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

static const struct {
	const char *from, *query, *text, *host, *origin;
} spellings[] = {
	{"HTTP://ExAmple.COM", "", "http://example.com/", "example.com", "http://example.com:80"},
	{"http://example.com:80/", "", "http://example.com/", "example.com",
		"http://example.com:80"},
	{"http://example.com:443/", "", "http://example.com:443/", "example.com",
		"http://example.com:443"},
	{"https://example.com:443", "", "https://example.com/", "example.com",
		"https://example.com:443"},
	{"https://example.com:?a", "", "https://example.com/?a", "example.com",
		"https://example.com:443"},
	{"http://example.com:65535/", "", "http://example.com:65535/", "example.com",
		"http://example.com:65535"},
	{"http://[2606:4700:0:0:0:0:0:00A]:81", "", "http://[2606:4700::a]:81/", "2606:4700::a",
		"http://[2606:4700::a]:81"},
	{"http://8.8.8.8/", "", "http://8.8.8.8/", "8.8.8.8", "http://8.8.8.8:80"},
	{"http://e.com/a/../b/./c//d?x=/../#frag", "", "http://e.com/a/../b/./c//d?x=/../", "e.com",
		"http://e.com:80"},
	{"http://e.com/%2e%2E/%00?%zz", "", "http://e.com/%2e%2E/%00?%zz", "e.com",
		"http://e.com:80"},
	{"http://e.com/?", "", "http://e.com/?", "e.com", "http://e.com:80"},
	{"http://e.com/a", "x=1&y=%20", "http://e.com/a?x=1&y=%20", "e.com", "http://e.com:80"},
	{"http://e.com?a=1", "x=1", "http://e.com/?a=1&x=1", "e.com", "http://e.com:80"},
	{"http://e.com/?a=1&", "x=1", "http://e.com/?a=1&x=1", "e.com", "http://e.com:80"},
	{"http://e.com/?", "x=1", "http://e.com/?x=1", "e.com", "http://e.com:80"},
	{"http://e.com/p#f?g", "x=1", "http://e.com/p?x=1", "e.com", "http://e.com:80"},
	{"http://e.com#?/@", "x=1", "http://e.com/?x=1", "e.com", "http://e.com:80"},
	{"http://http://x/", "", "http://http//x/", "http", "http://http:80"},
};

START_TEST(a_url_has_one_spelling_and_keeps_path_and_query_byte_for_byte)
{
	struct url url = {0}, again = {0};
	bool nomem;

	ck_assert_int_eq(
		url_parse(span_of(spellings[_i].from), span_of(spellings[_i].query), &url, &nomem),
		REASON_NONE);
	ck_assert_str_eq(url.text, spellings[_i].text);
	ck_assert_str_eq(url.host, spellings[_i].host);
	ck_assert_str_eq(url.origin, spellings[_i].origin);
	ck_assert(url.https == (strncmp(url.text, "https:", 6) == 0));
	ck_assert_int_eq(parse(url.text, &again), REASON_NONE);
	ck_assert_str_eq(again.text, url.text);
	ck_assert(url_same_origin(&url, &again));
	url_free(&url);
	url_free(&again);
	ck_assert_ptr_null(url.text);
}
END_TEST

START_TEST(a_literal_host_gives_its_address)
{
	struct url url = {0};

	ck_assert_int_eq(parse("http://8.8.4.4/", &url), REASON_NONE);
	ck_assert(url.literal);
	ck_assert_int_eq(url.address.sa.sa_family, AF_INET);
	ck_assert_uint_eq(ntohl(url.address.v4.sin_addr.s_addr), 0x08080404);
	url_free(&url);
	ck_assert_int_eq(parse("http://[2606::8]/", &url), REASON_NONE);
	ck_assert(url.literal);
	ck_assert_int_eq(url.address.sa.sa_family, AF_INET6);
	ck_assert_uint_eq(url.address.v6.sin6_addr.s6_addr[15], 8);
	url_free(&url);
	ck_assert_int_eq(parse("http://example.com/", &url), REASON_NONE);
	ck_assert(!url.literal);
	url_free(&url);
}
END_TEST

START_TEST(lengths_are_bounded_also_after_the_query_is_appended)
{
	char *text = malloc(2 * URL_MAX_BYTES);
	size_t start = strlen("http://example.com/");
	struct url url = {0};
	bool nomem;

	memset(text, 'a', 2 * URL_MAX_BYTES);
	memcpy(text, "http://example.com/", start);
	ck_assert_int_eq(
		url_parse((struct span){text, URL_MAX_BYTES}, nothing, &url, &nomem), REASON_NONE);
	ck_assert_uint_eq(strlen(url.text), URL_MAX_BYTES);
	url_free(&url);
	ck_assert_int_eq(url_parse((struct span){text, URL_MAX_BYTES + 1}, nothing, &url, &nomem),
		REASON_URL_INVALID);
	ck_assert_int_eq(
		url_parse((struct span){text, URL_MAX_BYTES - 4}, SPAN("x=1"), &url, &nomem),
		REASON_NONE);
	ck_assert_uint_eq(strlen(url.text), URL_MAX_BYTES);
	url_free(&url);
	ck_assert_int_eq(
		url_parse((struct span){text, URL_MAX_BYTES - 3}, SPAN("x=1"), &url, &nomem),
		REASON_URL_INVALID);
	ck_assert_int_eq(url_parse(SPAN("http://e.com/"),
				 (struct span){text + start, URL_MAX_BYTES + 1}, &url, &nomem),
		REASON_URL_INVALID);
	text[URL_MAX_BYTES - 1] = '#'; /* a fragment counts as written */
	ck_assert_int_eq(
		url_parse((struct span){text, URL_MAX_BYTES}, nothing, &url, &nomem), REASON_NONE);
	ck_assert_uint_eq(strlen(url.text), URL_MAX_BYTES - 1);
	url_free(&url);
	free(text);
}
END_TEST

START_TEST(host_lengths_are_those_of_dns)
{
	char text[400] = "http://", *host = text + 7;
	struct url url = {0};

	memset(host, 'a', 63);
	strcpy(host + 63, ".com/");
	ck_assert_int_eq(parse(text, &url), REASON_NONE);
	url_free(&url);
	for (size_t i = 0; i < 253; i++)
		host[i] = i % 50 == 49 ? '.' : 'a';
	strcpy(host + 253, "/");
	ck_assert_int_eq(parse(text, &url), REASON_NONE);
	url_free(&url);
	strcpy(host + 253, "a/");
	ck_assert_int_eq(parse(text, &url), REASON_HOST_INVALID);
}
END_TEST

START_TEST(a_query_that_could_change_the_url_is_refused)
{
	static const char *const bad[] = {"a#b", "a b", "a\r\n", "\xff", "a\\b", "<"};
	struct url url = {0};
	bool nomem;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_int_eq(
			url_parse(SPAN("http://example.com/"), span_of(bad[i]), &url, &nomem),
			REASON_URL_INVALID);
}
END_TEST

static const struct {
	const char *base, *location, *text; /* or the reason */
} hops[] = {
	{"http://e.com/a/b?q", "c", "http://e.com/a/c"},
	{"http://e.com/a/b?q", "/c", "http://e.com/c"},
	{"http://e.com/a/b?q", "../c", "http://e.com/c"},
	{"http://e.com/a/b?q", "../../../c", "http://e.com/c"},
	{"http://e.com/a/b?q", "./c?x=1#f", "http://e.com/a/c?x=1"},
	{"http://e.com/a/b?q", "?x", "http://e.com/a/b?x"},
	{"http://e.com/a/b?q", "#f", "http://e.com/a/b?q"},
	{"http://e.com/a?q", "#f", "http://e.com/a?q"},
	{"http://e.com/a/b", "http://f.com/x/../y/./z", "http://f.com/y/z"},
	{"http://e.com/a/b", "//f.com/x/../y", "http://f.com/y"},
	{"http://e.com", "c", "http://e.com/c"},
	{"http://e.com?q", "c", "http://e.com/c"},
	{"http://e.com:81/a", "/c", "http://e.com:81/c"},
	{"http://[2606::1]:81/a", "/c", "http://[2606::1]:81/c"},
	{"http://e.com/a", "//f.com/x", "http://f.com/x"},
	{"https://e.com/a", "//f.com/x", "https://f.com/x"},
	{"https://e.com/a", "//f.com", "https://f.com/"},
	{"http://e.com/a", "https://f.com/x", "https://f.com/x"},
	{"http://e.com/a", " \thttp://f.com/x\t ", "http://f.com/x"},
	{"http://e.com/a", "HTTP://F.com:80", "http://f.com/"},
	{"http://e.com/a", "/caf\xc3\xa9 x", "http://e.com/caf%C3%A9%20x"},
	{"http://e.com/a", "http://f.com/caf\xc3\xa9|{}", "http://f.com/caf%C3%A9%7C%7B%7D"},
	{"http://e.com/a", "/%0d%0aX:y", "http://e.com/%0d%0aX:y"},
	{"http://e.com/a", "/x:y/z", "http://e.com/x:y/z"},
	{"http://e.com/a", "/?u=http://f.com/", "http://e.com/?u=http://f.com/"},
	{"http://e.com/a", "?u=http://f.com/", "http://e.com/a?u=http://f.com/"},
	{"http://e.com/a", "/x@y", "http://e.com/x@y"},
	{"http://e.com/a", "", "url_invalid"},
	{"http://e.com/a", "   ", "url_invalid"},
	{"http://e.com/a", "///f.com/", "url_invalid"},
	{"http://e.com/a", "////f.com/", "url_invalid"},
	{"http://e.com/a", "//", "url_invalid"},
	{"http://e.com/a", "/\\f.com/", "url_invalid"},
	{"http://e.com/a", "\\\\f.com/", "url_invalid"},
	{"http://e.com/a", "http:/f.com/", "url_invalid"},
	{"http://e.com/a", "http:f.com/", "url_invalid"},
	{"http://e.com/a", "http:///f.com/", "url_invalid"},
	{"http://e.com/a", "http://caf\xc3\xa9.com/", "url_invalid"},
	{"http://e.com/a", "//caf\xc3\xa9.com/", "url_invalid"},
	{"http://e.com/a", "http://f.com/\r\nX: y", "url_invalid"},
	{"http://e.com/a", "/x\x01y", "url_invalid"},
	{"http://e.com/a", "/x\x7fy", "url_invalid"},
	{"http://e.com/a", "f.com:80/x", "url_invalid"},
	{"http://e.com/a", "http://u:p@f.com/", "userinfo_denied"},
	{"http://e.com/a", "//u@f.com/", "userinfo_denied"},
	{"http://e.com/a", "http://2130706433/", "host_invalid"},
	{"http://e.com/a", "//0x7f.1/", "host_invalid"},
	{"http://e.com/a", "//127%2e0%2e0%2e1/", "url_invalid"},
	{"http://e.com/a", "//f.com:080/", "url_invalid"},
	{"http://e.com/a", "//f.com./", "host_invalid"},
	{"http://e.com/a", "http://[fe80::1%25lo]/", "host_invalid"},
	{"http://e.com/a", "http://f.com:0/", "port_denied"},
	{"http://e.com/a", "file:///etc/passwd", "scheme_denied"},
	{"http://e.com/a", "FILE:/etc/passwd", "scheme_denied"},
	{"http://e.com/a", "gopher://127.0.0.1:6379/_x", "scheme_denied"},
	{"http://e.com/a", "javascript:alert(1)", "scheme_denied"},
	{"https://e.com/a", "http://e.com/a", "scheme_denied"},
};

START_TEST(a_redirect_goes_through_the_same_gate)
{
	struct url base = {0}, url = {0};
	bool nomem = true;
	enum item_reason reason;

	ck_assert_int_eq(parse(hops[_i].base, &base), REASON_NONE);
	reason = url_follow(&base, span_of(hops[_i].location), &url, &nomem);
	ck_assert(!nomem);
	ck_assert_msg(strcmp(reason == REASON_NONE ? url.text : code_reason_text(reason),
			      hops[_i].text) == 0,
		"%s + %s: expected %s, got %s", hops[_i].base, hops[_i].location, hops[_i].text,
		reason == REASON_NONE ? url.text : code_reason_text(reason));
	url_free(&base);
	url_free(&url);
}
END_TEST

START_TEST(a_location_longer_than_a_url_is_refused)
{
	char *text = malloc(2 * URL_MAX_BYTES);
	struct url base = {0}, url = {0};
	bool nomem;

	memset(text, 'a', 2 * URL_MAX_BYTES);
	ck_assert_int_eq(parse("http://e.com/", &base), REASON_NONE);
	ck_assert_int_eq(url_follow(&base, (struct span){text, URL_MAX_BYTES + 1}, &url, &nomem),
		REASON_URL_INVALID);
	ck_assert_int_eq(url_follow(&base, (struct span){text, URL_MAX_BYTES}, &url, &nomem),
		REASON_URL_INVALID);
	memset(text, '\xc3', URL_MAX_BYTES); /* thrice as long once encoded */
	ck_assert_int_eq(url_follow(&base, (struct span){text, URL_MAX_BYTES}, &url, &nomem),
		REASON_URL_INVALID);
	ck_assert(!nomem);
	memset(text, 'a', URL_MAX_BYTES);
	ck_assert_int_eq(url_follow(&base, (struct span){text, URL_MAX_BYTES - 13}, &url, &nomem),
		REASON_NONE);
	ck_assert_uint_eq(strlen(url.text), URL_MAX_BYTES);
	url_free(&base);
	url_free(&url);
	free(text);
}
END_TEST

START_TEST(origins_are_the_same_by_scheme_host_and_port)
{
	static const struct {
		const char *a, *b;
		bool same;
	} pairs[] = {
		{"http://e.com/a", "HTTP://E.COM:80/b?c", true},
		{"http://e.com/", "https://e.com/", false},
		{"http://e.com/", "https://e.com:80/", false},
		{"http://e.com/", "http://e.com:81/", false},
		{"http://e.com/", "http://www.e.com/", false},
		{"http://[2606::1]/", "http://[2606:0::1]:80/", true},
	};
	struct url a = {0}, b = {0};

	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		ck_assert_int_eq(parse(pairs[i].a, &a), REASON_NONE);
		ck_assert_int_eq(parse(pairs[i].b, &b), REASON_NONE);
		ck_assert_int_eq(url_same_origin(&a, &b), pairs[i].same);
		url_free(&a);
		url_free(&b);
	}
}
END_TEST

START_TEST(encoding_leaves_only_the_unreserved_bytes)
{
	struct buf out;
	char all[256], name[4];

	buf_init(&out, 4096);
	ck_assert_int_eq(url_encode(&out, "az AZ09-._~+&=#%/\xc3\xa9", 19), ERR_OK);
	ck_assert_str_eq(out.ptr, "az%20AZ09-._~%2B%26%3D%23%25%2F%C3%A9");
	for (int c = 0; c < 256; c++)
		all[c] = (char)c;
	buf_clear(&out);
	ck_assert_int_eq(url_encode(&out, all, sizeof all), ERR_OK);
	ck_assert_uint_eq(out.len, 66 + 190 * 3);
	memcpy(name, out.ptr, 3);
	name[3] = '\0';
	ck_assert_str_eq(name, "%00");
	buf_free(&out);
	buf_init(&out, 4);
	ck_assert_int_eq(url_encode(&out, "  ", 2), ERR_LIMIT);
	buf_free(&out);
}
END_TEST

START_TEST(reasons_of_policy_block_and_the_others_are_invalid)
{
	ck_assert_int_eq(url_reason_code(REASON_URL_INVALID), ITEM_INVALID_ITEM);
	ck_assert_int_eq(url_reason_code(REASON_HOST_INVALID), ITEM_INVALID_ITEM);
	ck_assert_int_eq(url_reason_code(REASON_HEADER_DENIED), ITEM_INVALID_ITEM);
	ck_assert_int_eq(url_reason_code(REASON_METHOD_DENIED), ITEM_INVALID_ITEM);
	ck_assert_int_eq(url_reason_code(REASON_SCHEME_DENIED), ITEM_BLOCKED_TARGET);
	ck_assert_int_eq(url_reason_code(REASON_USERINFO_DENIED), ITEM_BLOCKED_TARGET);
	ck_assert_int_eq(url_reason_code(REASON_PORT_DENIED), ITEM_BLOCKED_TARGET);
	ck_assert_int_eq(url_reason_code(REASON_HOST_DENIED), ITEM_BLOCKED_TARGET);
	ck_assert_int_eq(url_reason_code(REASON_ADDRESS_DENIED), ITEM_BLOCKED_TARGET);
	ck_assert_int_eq(url_reason_code(REASON_NONE), ITEM_OK);
}
END_TEST

START_TEST(no_memory_is_reported_and_leaks_nothing)
{
	struct url base = {0}, url = {0};
	bool nomem;
	enum item_reason reason = REASON_URL_INVALID;

	ck_assert_int_eq(parse("http://e.com/", &base), REASON_NONE);
	for (unsigned long n = 1; reason != REASON_NONE; n++) {
		ck_assert_uint_lt(n, 20);
		mem_fail_at(n);
		reason = url_follow(&base, SPAN("http://f.com/a"), &url, &nomem);
		ck_assert_int_eq(nomem, mem_failed());
		ck_assert_int_eq(reason == REASON_NONE, !nomem);
	}
	mem_fail_at(0);
	url_free(&base);
	url_free(&url);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/url");
	TCase *tcase = tcase_create("url");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, every_url_of_the_hostile_list_gets_its_verdict);
	tcase_add_loop_test(tcase, unlisted_variants_get_the_verdict_of_their_kind, 0,
		(int)(sizeof variants / sizeof *variants));
	tcase_add_test(tcase, no_byte_outside_the_printable_ones_passes_anywhere);
	tcase_add_loop_test(tcase, a_url_has_one_spelling_and_keeps_path_and_query_byte_for_byte, 0,
		(int)(sizeof spellings / sizeof *spellings));
	tcase_add_test(tcase, a_literal_host_gives_its_address);
	tcase_add_test(tcase, lengths_are_bounded_also_after_the_query_is_appended);
	tcase_add_test(tcase, host_lengths_are_those_of_dns);
	tcase_add_test(tcase, a_query_that_could_change_the_url_is_refused);
	tcase_add_loop_test(
		tcase, a_redirect_goes_through_the_same_gate, 0, (int)(sizeof hops / sizeof *hops));
	tcase_add_test(tcase, a_location_longer_than_a_url_is_refused);
	tcase_add_test(tcase, origins_are_the_same_by_scheme_host_and_port);
	tcase_add_test(tcase, encoding_leaves_only_the_unreserved_bytes);
	tcase_add_test(tcase, reasons_of_policy_block_and_the_others_are_invalid);
	tcase_add_test(tcase, no_memory_is_reported_and_leaks_nothing);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
