/* test_decode.c - gzip and deflate: whole or in pieces, capped, cut short, forged. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/mem.h"
#include "pool/decode.h"

enum { GZIP = 15 + 16, ZLIB = 15, RAW = -15, PLAIN_SIZE = 100000 };

static unsigned char plain[PLAIN_SIZE];

static void fill_plain(void)
{
	uint32_t state = 1;

	for (size_t i = 0; i < PLAIN_SIZE; i++) {
		state = state * 1664525 + 1013904223;
		plain[i] = (unsigned char)(i % 3 == 0 ? state >> 24 : 'a' + i % 26);
	}
}

/* What a server would send. */
static struct buf packed(int bits, const void *bytes, size_t len)
{
	z_stream zlib = {0};
	struct buf out;

	buf_init(&out, len + 4096);
	ck_assert_int_eq(buf_reserve(&out, len + 4096), ERR_OK);
	ck_assert_int_eq(deflateInit2(&zlib, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	zlib.next_in = (unsigned char *)(uintptr_t)bytes;
	zlib.avail_in = (unsigned)len;
	zlib.next_out = (unsigned char *)out.ptr;
	zlib.avail_out = (unsigned)out.max;
	ck_assert_int_eq(deflate(&zlib, Z_FINISH), Z_STREAM_END);
	out.len = out.max - zlib.avail_out;
	deflateEnd(&zlib);
	return out;
}

static const struct {
	const char *coding;
	int bits;
} codings[] = {
	{"gzip", GZIP}, {"x-gzip", GZIP}, {" GZip\t", GZIP}, {"deflate", ZLIB}, {"Deflate", RAW}};

static struct decode *decoder(const char *coding)
{
	struct decode *decode = NULL;

	ck_assert_int_eq(decode_new(span_of(coding), &decode), DECODE_OK);
	ck_assert_ptr_nonnull(decode);
	return decode;
}

/* Feeds in pieces of `step` bytes. */
static enum decode_status feed(
	struct decode *decode, const struct buf *in, size_t step, struct buf *out)
{
	enum decode_status status = DECODE_OK;

	for (size_t at = 0; at < in->len && status == DECODE_OK; at += step)
		status = decode_feed(
			decode, in->ptr + at, in->len - at < step ? in->len - at : step, out);
	return status;
}

START_TEST(a_body_comes_out_the_same_however_it_is_cut)
{
	static const size_t steps[] = {1, 2, 3, 7, 1000, 16384, SIZE_MAX / 2};
	struct buf in = packed(codings[_i].bits, plain, PLAIN_SIZE), out;

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		struct decode *decode = decoder(codings[_i].coding);

		buf_init(&out, 1 << 20);
		ck_assert(decode_complete(decode));
		ck_assert_int_eq(feed(decode, &in, steps[i], &out), DECODE_OK);
		ck_assert(decode_complete(decode));
		ck_assert_uint_eq(out.len, PLAIN_SIZE);
		ck_assert_int_eq(memcmp(out.ptr, plain, PLAIN_SIZE), 0);
		decode_destroy(decode);
		buf_free(&out);
	}
	buf_free(&in);
}
END_TEST

START_TEST(a_body_cut_short_is_never_complete)
{
	struct buf in = packed(codings[_i].bits, "hello, hello, hello", 19), out;

	for (size_t len = 1; len < in.len; len++) {
		struct decode *decode = decoder(codings[_i].coding);
		enum decode_status status;

		buf_init(&out, 1 << 20);
		status = decode_feed(decode, in.ptr, len, &out);
		ck_assert(status == DECODE_OK && !decode_complete(decode));
		decode_destroy(decode);
		buf_free(&out);
	}
	buf_free(&in);
}
END_TEST

START_TEST(an_empty_body_is_complete)
{
	struct decode *decode = decoder(codings[_i].coding);
	struct buf in = packed(codings[_i].bits, "", 0), out;

	buf_init(&out, 10);
	ck_assert_int_eq(decode_feed(decode, "", 0, &out), DECODE_OK);
	ck_assert(decode_complete(decode));
	ck_assert_int_eq(decode_feed(decode, in.ptr, in.len, &out), DECODE_OK);
	ck_assert(decode_complete(decode));
	ck_assert_uint_eq(out.len, 0);
	decode_destroy(decode);
	buf_free(&in);
	buf_free(&out);
}
END_TEST

START_TEST(the_cap_is_exact)
{
	struct buf in = packed(codings[_i].bits, plain, PLAIN_SIZE), out;
	static const size_t steps[] = {1, 100, SIZE_MAX / 2};

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		struct decode *decode = decoder(codings[_i].coding);

		buf_init(&out, PLAIN_SIZE);
		ck_assert_int_eq(feed(decode, &in, steps[i], &out), DECODE_OK);
		ck_assert(decode_complete(decode));
		ck_assert_uint_eq(out.len, PLAIN_SIZE);
		decode_destroy(decode);
		buf_free(&out);

		decode = decoder(codings[_i].coding);
		buf_init(&out, PLAIN_SIZE - 1);
		ck_assert_int_eq(feed(decode, &in, steps[i], &out), DECODE_FULL);
		ck_assert_uint_eq(out.len, PLAIN_SIZE - 1);
		decode_destroy(decode);
		buf_free(&out);

		decode = decoder(codings[_i].coding);
		buf_init(&out, 0);
		ck_assert_int_eq(feed(decode, &in, steps[i], &out), DECODE_FULL);
		decode_destroy(decode);
		buf_free(&out);
	}
	buf_free(&in);
}
END_TEST

START_TEST(a_bomb_ends_at_the_cap)
{
	size_t size = 50u << 20;
	void *zeros = calloc(1, size);
	struct buf in = packed(GZIP, zeros, size), out;
	struct decode *decode = decoder("gzip");

	free(zeros);
	ck_assert_uint_lt(in.len, 60000);
	buf_init(&out, 1 << 20);
	ck_assert_int_eq(feed(decode, &in, 1000, &out), DECODE_FULL);
	ck_assert_uint_eq(out.len, 1 << 20);
	ck_assert_uint_le(out.capacity, (1 << 20) + 1);
	decode_destroy(decode);
	buf_free(&in);
	buf_free(&out);
}
END_TEST

START_TEST(gzip_members_follow_each_other)
{
	struct buf in = packed(GZIP, "one ", 4), second = packed(GZIP, "two", 3), out;
	size_t first = in.len;

	ck_assert_int_eq(buf_add(&in, second.ptr, second.len), ERR_OK);
	for (size_t step = 1; step <= in.len; step++) {
		struct decode *decode = decoder("gzip");

		buf_init(&out, 100);
		ck_assert_int_eq(feed(decode, &in, step, &out), DECODE_OK);
		ck_assert(decode_complete(decode));
		ck_assert_str_eq(out.ptr, "one two");
		decode_destroy(decode);
		buf_free(&out);
	}
	for (size_t len = first + 1; len < in.len; len++) {
		struct decode *decode = decoder("gzip");

		buf_init(&out, 100);
		ck_assert_int_eq(decode_feed(decode, in.ptr, len, &out), DECODE_OK);
		ck_assert(!decode_complete(decode));
		decode_destroy(decode);
		buf_free(&out);
	}
	buf_free(&in);
	buf_free(&second);
}
END_TEST

START_TEST(bytes_behind_the_end_are_malformed)
{
	static const char *const tails[] = {"x", "<html>", "PK", " "};
	struct buf out;

	for (size_t i = 0; i <= sizeof tails / sizeof *tails; i++) {
		struct buf in = packed(codings[_i].bits, "hello", 5);
		struct decode *decode = decoder(codings[_i].coding);

		if (i < sizeof tails / sizeof *tails)
			ck_assert_int_eq(buf_adds(&in, tails[i]), ERR_OK);
		else
			ck_assert_int_eq(buf_add(&in, "\0\0\0", 3), ERR_OK); /* padding */
		buf_init(&out, 100);
		ck_assert_int_eq(feed(decode, &in, i + 1, &out), DECODE_MALFORMED);
		decode_destroy(decode);
		buf_free(&in);
		buf_free(&out);
	}
}
END_TEST

START_TEST(a_flipped_byte_is_malformed_or_cut_short_but_never_a_success_with_other_bytes)
{
	struct buf in = packed(codings[_i].bits, "hello, hello, hello", 19), out;

	for (size_t at = 0; at < in.len; at++) {
		struct decode *decode = decoder(codings[_i].coding);
		enum decode_status status;
		bool same;

		in.ptr[at] = (char)(in.ptr[at] ^ 0x15);
		buf_init(&out, 100);
		status = decode_feed(decode, in.ptr, in.len, &out);
		same = out.len == 19 && memcmp(out.ptr, "hello, hello, hello", 19) == 0;
		if (codings[_i].bits != RAW) /* a bare stream has no check sum */
			ck_assert(status != DECODE_OK || !decode_complete(decode) || same);
		in.ptr[at] = (char)(in.ptr[at] ^ 0x15);
		decode_destroy(decode);
		buf_free(&out);
	}
	buf_free(&in);
}
END_TEST

START_TEST(plain_text_under_a_coding_is_malformed)
{
	static const char *const texts[] = {
		"{\"a\": 1}", "hello", "\xff\xff\xff\xff", "\x1f\x8b\x09\x01"};
	struct buf out;

	buf_init(&out, 1000);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct decode *decode = decoder(codings[_i].coding);
		enum decode_status status = decode_feed(decode, texts[i], strlen(texts[i]), &out);

		ck_assert(status == DECODE_MALFORMED ||
			  (status == DECODE_OK && !decode_complete(decode)));
		if (codings[_i].bits == GZIP)
			ck_assert_int_eq(status, DECODE_MALFORMED);
		decode_destroy(decode);
	}
	buf_free(&out);
}
END_TEST

START_TEST(other_codings_and_stacks_of_them_are_refused)
{
	static const char *const bad[] = {"br", "zstd", "compress", "gzip, gzip", "gzip,deflate",
		"gzip,", ",", "gzip gzip", "gzipp", "identity, gzip"};
	struct decode *decode = NULL;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_int_eq(decode_new(span_of(bad[i]), &decode), DECODE_MALFORMED);
	ck_assert_ptr_null(decode);
}
END_TEST

START_TEST(identity_needs_no_decoder)
{
	static const char *const codings_of_none[] = {"", " ", "identity", "Identity "};
	struct decode *decode;

	for (size_t i = 0; i < sizeof codings_of_none / sizeof *codings_of_none; i++) {
		decode = (struct decode *)&decode;
		ck_assert_int_eq(decode_new(span_of(codings_of_none[i]), &decode), DECODE_OK);
		ck_assert_ptr_null(decode);
	}
	decode_destroy(NULL);
}
END_TEST

START_TEST(no_memory_is_told_apart)
{
	struct buf in = packed(codings[_i].bits, plain, PLAIN_SIZE), out;
	enum decode_status status = DECODE_NOMEM;

	for (unsigned long n = 1; status != DECODE_OK; n++) {
		struct decode *decode = NULL;

		ck_assert_uint_lt(n, 40);
		buf_init(&out, 1 << 20);
		mem_fail_at(n);
		status = decode_new(span_of(codings[_i].coding), &decode);
		if (status == DECODE_OK)
			status = feed(decode, &in, 5000, &out);
		ck_assert_int_eq(status, mem_failed() ? DECODE_NOMEM : DECODE_OK);
		mem_fail_at(0);
		decode_destroy(decode);
		buf_free(&out);
	}
	buf_free(&in);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/decode");
	TCase *tcase = tcase_create("decode");
	SRunner *runner;
	int failed, all = (int)(sizeof codings / sizeof *codings);

	fill_plain();
	tcase_add_loop_test(tcase, a_body_comes_out_the_same_however_it_is_cut, 0, all);
	tcase_add_loop_test(tcase, a_body_cut_short_is_never_complete, 0, all);
	tcase_add_loop_test(tcase, an_empty_body_is_complete, 0, all);
	tcase_add_loop_test(tcase, the_cap_is_exact, 0, all);
	tcase_add_test(tcase, a_bomb_ends_at_the_cap);
	tcase_add_test(tcase, gzip_members_follow_each_other);
	tcase_add_loop_test(tcase, bytes_behind_the_end_are_malformed, 0, all);
	tcase_add_loop_test(tcase,
		a_flipped_byte_is_malformed_or_cut_short_but_never_a_success_with_other_bytes, 0,
		all);
	tcase_add_loop_test(tcase, plain_text_under_a_coding_is_malformed, 0, all);
	tcase_add_test(tcase, other_codings_and_stacks_of_them_are_refused);
	tcase_add_test(tcase, identity_needs_no_decoder);
	tcase_add_loop_test(tcase, no_memory_is_told_apart, 0, all);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
