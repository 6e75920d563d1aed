/* chunks.h - a server with flows, and a client that reads their text chunk by chunk. */
#ifndef TESTS_UNIT_SERVER_CHUNKS_H
#define TESTS_UNIT_SERVER_CHUNKS_H
#include "flows.h"
#include "tests/harness/check_main.h"

#define ASK(target) "GET " target " HTTP/1.1\r\nHost: x\r\n\r\n"

static struct toys toys;

static inline void set_up(void)
{
	toys_init(&toys);
	toys.routes = flow_routes;
}

static inline void tear_down(void)
{
	toys_stop(&toys);
	flows_free();
}

static inline void expect_head(struct wire *wire, bool chunked)
{
	struct answer answer = wire_answer_to(wire, true);

	ck_assert_int_eq(answer.status, 200);
	ck_assert_ptr_null(answer_field(&answer, "Content-Length"));
	ck_assert_int_eq(answer_field(&answer, "Transfer-Encoding") != NULL, chunked);
	answer_free(&answer);
}

static inline struct wire ask(uint16_t port, const char *request)
{
	struct wire wire = wire_open(port);

	wire_say(&wire, request);
	return wire;
}

static inline struct wire ask_flow(uint16_t port, const char *request)
{
	struct wire wire = ask(port, request);

	expect_head(&wire, true);
	return wire;
}

/* The next chunk's text (to be freed); NULL: the connection ended before. */
static inline char *next_chunk(struct wire *wire)
{
	const char *end = NULL;
	size_t head, len;
	bool late = false;
	char *text;

	while (!(end = wire->in_len ? strstr(wire->in, "\r\n") : NULL))
		if (!wire_read(wire, WIRE_PATIENCE_MS, &late))
			break;
	ck_assert_msg(!late, "no chunk in time");
	if (!end)
		return NULL;
	head = (size_t)(end - wire->in) + 2;
	len = strtoul(wire->in, NULL, 16);
	while (wire->in_len < head + len + 2)
		if (!wire_read(wire, WIRE_PATIENCE_MS, &late))
			break;
	ck_assert_msg(!late, "no whole chunk in time");
	if (wire->in_len < head + len + 2)
		return NULL;
	ck_assert_int_eq(memcmp(wire->in + head + len, "\r\n", 2), 0);
	text = strndup(wire->in + head, len);
	wire_drop(wire, head + len + 2);
	return text;
}

/* "": the last one */
static inline void expect_chunk(struct wire *wire, const char *text)
{
	char *chunk = next_chunk(wire);

	ck_assert_ptr_nonnull(chunk);
	ck_assert_str_eq(chunk, text);
	free(chunk);
}

/* Bytes of all chunks up to the last one. */
static inline size_t read_rest(struct wire *wire)
{
	size_t total = 0, len;

	do {
		char *chunk = next_chunk(wire);

		ck_assert_ptr_nonnull(chunk);
		len = strlen(chunk);
		total += len;
		free(chunk);
	} while (len > 0);
	return total;
}

static inline void expect_ok(struct wire *wire)
{
	struct answer answer;

	wire_say(wire, ASK("/ok"));
	answer = wire_answer(wire);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.body, "hello");
	answer_free(&answer);
}
#endif
