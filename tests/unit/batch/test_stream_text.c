/* test_stream_text.c - what a person sees in a terminal: bars that cover each other, lines of
 * items, and nothing that steers it. */
#include "tests/unit/batch/stream_kit.h"

static size_t columns_of(const char *text, size_t len)
{
	size_t columns = 0;

	for (size_t i = 0; i < len; i++)
		columns += ((unsigned char)text[i] & 0xC0) != 0x80;
	return columns;
}

/* Each text covers the one that it overwrites. Gives how many bars needed blanks to do so. */
static size_t check_covered(const char *text)
{
	size_t standing = 0, padded = 0;

	while (*text) {
		size_t len, shown;

		if (*text == '\r' || *text == '\n') {
			standing = *text == '\n' ? 0 : standing;
			text++;
			continue;
		}
		len = shown = strcspn(text, "\r\n");
		ck_assert_msg(
			columns_of(text, len) >= standing, "does not cover: %.*s", (int)len, text);
		while (shown > 0 && text[shown - 1] == ' ')
			shown--;
		ck_assert_msg(len == shown || columns_of(text, len) == standing,
			"more blanks than it takes: %.*s", (int)len, text);
		padded += len > shown && memchr(text, '|', len);
		standing = columns_of(text, shown);
		text += len;
	}
	return padded;
}

static char *items_of(size_t count, const char *options)
{
	struct buf text;

	buf_init(&text, SIZE_MAX / 2);
	buf_addf(&text, "{\"options\":{%s},\"items\":[", options);
	for (size_t i = 0; i < count; i++)
		buf_addf(&text, "%s{\"id\":%zu," E "}", i ? "," : "", i);
	buf_adds(&text, "]}");
	REQUIRE(!text.failed);
	return text.ptr;
}

static void run_items(size_t count)
{
	char *text = items_of(count, "");

	start(STREAM_TEXT, text);
	mem_free(text);
	for (size_t i = 0; i < count; i++) {
		i % 10 == 3 ? fail_item(i) : answer(i, "text/plain", "x");
		listen_now();
	}
	ck_assert_uint_eq(listen_now(), STREAM_END);
	check_covered(said.ptr);
}

START_TEST(a_bar_that_gets_shorter_covers_the_one_before)
{
	char *text = items_of(30, "");

	start(STREAM_TEXT, text);
	mem_free(text);
	listen_now();
	fakeclock_us += 20000 * S;
	for (size_t i = 0; i < 30; i++) {
		answer(i, "text/plain", "x");
		listen_now();
		fakeclock_us += 1 * S;
		listen_now();
	}
	ck_assert_uint_eq(listen_now(), STREAM_END);
	ck_assert_uint_ge(check_covered(said.ptr), 2);
	stop();
}
END_TEST

START_TEST(items_have_their_line_in_batches_of_at_most_twenty)
{
	run_items(20);
	ck_assert_uint_eq(count_of(said.ptr, "[OK] "), 18);
	ck_assert_uint_eq(count_of(said.ptr, "[FAILED] "), 2 + 2);
	stop();
	run_items(21);
	ck_assert_uint_eq(count_of(said.ptr, "[OK] "), 0);
	ck_assert_uint_eq(count_of(said.ptr, "[FAILED] "), 2);
	ck_assert_ptr_nonnull(
		strstr(said.ptr, "21 items: 19 succeeded, 2 failed (2 timeout) in 0.00 s\n"
				 "[FAILED] 3: e.com: it failed\n[FAILED] 13: e.com: it failed\n"));
	ck_assert_str_eq(said.ptr + said.len - 30, "[FAILED] 13: e.com: it failed\n");
	stop();
}
END_TEST

/* No byte that steers a terminal, but for the \r and \n that are ours. */
static void check_harmless(const char *text)
{
	for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
		ck_assert_msg(*at >= 0x20 || *at == '\r' || *at == '\n', "control %02X", *at);
		ck_assert_uint_ne(*at, 0x7F);
		ck_assert(!(at[0] == 0xC2 && at[1] >= 0x80 && at[1] < 0xA0));
	}
}

START_TEST(hostile_ids_labels_and_messages_steer_no_terminal)
{
	start(STREAM_TEXT,
		"{\"options\":{\"label\":\"\\u001b]0;owned\\u0007\\r\\n\\u009b2J\"},\"items\":["
		"{\"id\":\"\\u001b[2J\\u0000\\r\\n[OK] b\"," E "},{\"id\":\"\\u009b31m\\u0085é\"," E
		"},"
		"{\"id\":\"\\u007f\\t\\b\"," E "}]}");
	listen_now();
	fail_saying(0, "\x1b[1A\x1b[2K\r\n[OK] all is well\xC2\x9B");
	listen_now();
	answer(1, "text/plain", "x");
	listen_now();
	fail_saying(2, "\xff\xfe\x80");
	ck_assert_uint_eq(listen_now(), STREAM_END);
	check_harmless(said.ptr);
	check_covered(said.ptr);
	ck_assert_uint_eq(count_of(said.ptr, "\n"), 3 + 1 + 1 + 2);
	ck_assert_uint_eq(count_of(said.ptr, "\n[OK] "), 0);
	ck_assert_uint_eq(count_of(said.ptr, "\r[OK] "), 1);
	ck_assert_ptr_nonnull(strstr(said.ptr, "\r?]0;owned???\?2J:   0%|"));
	ck_assert_ptr_nonnull(
		strstr(said.ptr, "\r[FAILED] ?[2J???[OK] b: ?[1A?[2K??[OK] all is well?"));
	ck_assert_ptr_nonnull(strstr(said.ptr, "\r[OK] ?31m?é (0.01 s)"));
	stop();
}
END_TEST

START_TEST(an_empty_label_is_the_usual_one_and_a_long_one_is_whole)
{
	char text[512], bar[512], label[257] = {0};

	start(STREAM_TEXT, "{\"options\":{\"label\":\"\"},\"items\":[{" E "}]}");
	expect("\rProcessing:   0%|          | 0/1 [00:00<?, ? items/s]");
	stop();
	memset(label, 'l', sizeof label - 1);
	snprintf(text, sizeof text, "{\"options\":{\"label\":\"%s\"},\"items\":[{" E "}]}", label);
	snprintf(bar, sizeof bar, "\r%s:   0%%|          | 0/1 [00:00<?, ? items/s]", label);
	start(STREAM_TEXT, text);
	expect(bar);
	stop();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {a_bar_that_gets_shorter_covers_the_one_before,
		items_have_their_line_in_batches_of_at_most_twenty,
		hostile_ids_labels_and_messages_steer_no_terminal,
		an_empty_label_is_the_usual_one_and_a_long_one_is_whole};

	return kit_main(&kit, "stream_text", tests, sizeof tests / sizeof *tests);
}
