/* template_jq.c - jq in a helper process: compiles programs, and makes one JSON text of another.
 *
 * A program is compiled when it is first needed, or earlier where there is nothing else to do: jq
 * 1.6 takes 40 ms for each, since it compiles its own library along. */
#include "batch/template_jq.h"

#include <jq.h>
#include <limits.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "batch/scan.h"
#include "batch/template_frame.h"
#include "batch/template_render.h"
#include "common/hash.h"
#include "common/list.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "pool/confine.h"

enum {
	MEMORY_BYTES = 256 << 20,
	CPU_SECONDS = 1, /* of an evaluation; the kernel counts it in whole seconds */
	COMPILE_SECONDS = 5,
	TRIM_BYTES = 1 << 20,    /* a question or an answer as large leaves free pages behind */
	LEAVE_BYTES = 128 << 20, /* still held between two questions: a leak */
	LOOK_EVERY = 256,        /* questions; asking the heap takes some us */
	MESSAGES_MAX = 4096
};

struct program {
	struct hash_node node; /* first: hash_find gives it */
	struct list_node link; /* of uncompiled, until it is compiled */
	uint64_t id;
	jq_state *jq; /* NULL: not compiled yet, or not compilable */
	size_t len;
	char text[];
};

struct house {
	struct servant *servant;
	struct hash programs;
	struct list_node uncompiled;
	struct buf messages; /* of the compiler */
	struct buf output;
	uint64_t asked; /* what is being answered; for want_memory */
	bool answering; /* bytes of an answer are under way: nothing may come between */
	unsigned count; /* of questions */
};

static const struct span done_head = {"\1", 1}, failed_head = {"\2", 1};

/* ---- answers ---- */

/* Control characters and what is no UTF-8 become a space; cut at a character. */
static size_t clean(const char *text, size_t len, char out[TEMPLATE_REASON_MAX])
{
	size_t at = 0, to = 0;

	while (at < len) {
		size_t n = utf8_char(text + at, len - at);

		if (to + (n ? n : 1) > TEMPLATE_REASON_MAX)
			break;
		if (n == 0 || (n == 1 && ((unsigned char)text[at] < 0x20 || text[at] == 0x7f))) {
			out[to++] = ' ';
			at++;
			continue;
		}
		memcpy(out + to, text + at, n);
		to += n;
		at += n;
	}
	return to;
}

static bool fail(struct house *house, const char *text, size_t len)
{
	char reason[TEMPLATE_REASON_MAX] = "";
	size_t kept = clean(text, len, reason);

	house->answering = true;
	return servant_answer(
		house->servant, house->asked, failed_head, (struct span){reason, kept});
}

static bool fail_text(struct house *house, const char *text)
{
	return fail(house, text, strlen(text));
}

/* jq 1.6 calls want_memory without the argument that it was given. */
static struct house *serving;

/* jq calls this where the limit is reached, and aborts if it returns. */
static void want_memory(void *unused)
{
	struct house *house = serving;
	bool told = !house->answering &&
		    fail_text(house, "the template needs more memory than a helper process has") &&
		    servant_leave(house->servant);

	(void)unused;
	_exit(told ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* ---- programs ---- */

static bool same_id(const struct hash_node *node, const void *id)
{
	return ((const struct program *)(const void *)node)->id == *(const uint64_t *)id;
}

static uint64_t key_of(const struct house *house, uint64_t id)
{
	return hash_bytes(&house->programs, &id, sizeof id);
}

static struct program *find(const struct house *house, uint64_t id)
{
	struct hash_node *node = hash_find(&house->programs, key_of(house, id), same_id, &id);

	return (struct program *)(void *)node;
}

static void drop(struct house *house, uint64_t id)
{
	struct program *program = find(house, id);

	if (!program)
		return;
	hash_remove(&house->programs, &program->node);
	list_remove(&program->link);
	if (program->jq)
		jq_teardown(&program->jq);
	mem_free(program);
}

/* False: no memory. */
static bool keep(struct house *house, uint64_t id, struct span text)
{
	struct program *program;

	drop(house, id);
	if (house->programs.count >= TEMPLATE_PROGRAMS_MAX)
		return false;
	program = mem_try(sizeof *program + text.len + 1);
	if (!program)
		return false;
	program->id = id;
	program->len = text.len;
	if (text.len > 0)
		memcpy(program->text, text.ptr, text.len);
	list_push_back(&house->uncompiled, &program->link);
	hash_insert(&house->programs, &program->node, key_of(house, id));
	return true;
}

static void note_message(void *house_arg, jv message)
{
	struct house *house = house_arg;

	if (jv_get_kind(message) == JV_KIND_STRING) {
		buf_adds(&house->messages, jv_string_value(message));
		buf_add_char(&house->messages, '\n');
	}
	jv_free(message);
}

/* NULL: house->messages say why. */
static jq_state *compile(struct house *house, const char *text)
{
	jq_state *jq = jq_init();

	buf_clear(&house->messages);
	if (!jq)
		want_memory(NULL);
	jq_set_nomem_handler(jq, want_memory, NULL);
	jq_set_error_cb(jq, note_message, house);
	jq_set_attr(jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
	if (!jq_compile(jq, text))
		jq_teardown(&jq);
	return jq;
}

static void compile_program(struct house *house, struct program *program)
{
	list_remove(&program->link);
	confine_grant_cpu(COMPILE_SECONDS);
	program->jq = compile(house, program->text);
}

/* ---- output ---- */

static bool answer_output(struct house *house, jv value, size_t output_max)
{
	struct buf *out = &house->output;
	bool fits;

	buf_clear(out);
	out->max = output_max;
	fits = template_render(out, value, TEMPLATE_OUTPUT_DEPTH_MAX);
	if (!fits)
		return fail_text(house, "the template's output is nested too deeply");
	if (out->failed)
		return fail_text(house, "the template's output is too large");
	house->answering = true;
	return servant_answer(
		house->servant, house->asked, done_head, (struct span){out->ptr, out->len});
}

/* ---- evaluation ---- */

static bool take_bytes(struct span *rest, void *to, size_t len)
{
	if (rest->len < len)
		return false;
	memcpy(to, rest->ptr, len);
	rest->ptr += len;
	rest->len -= len;
	return true;
}

static bool take_span(struct span *rest, size_t len, struct span *ret_span)
{
	if (rest->len < len)
		return false;
	*ret_span = (struct span){rest->ptr, len};
	rest->ptr += len;
	rest->len -= len;
	return true;
}

/* Invalid, with a sentence, where it is no JSON text that jq may see. */
static jv parse(struct span name, struct span value)
{
	struct scan_error error;

	if (value.len > INT_MAX || !scan_check(value, SCAN_DEPTH_MAX, &error))
		return jv_invalid_with_msg(jv_string_fmt("`%.*s` cannot be given to a template: %s",
			(int)name.len, name.ptr, value.len > INT_MAX ? "too large" : error.what));
	return jv_parse_sized(value.ptr, (int)value.len);
}

/* {name: value, …}; invalid, with a sentence, where one of them is no JSON. */
static jv build_input(struct span rest, uint32_t count)
{
	jv input = jv_object();

	for (uint32_t i = 0; i < count; i++) {
		struct template_part_head head;
		struct span name, value;
		jv part;

		if (!take_bytes(&rest, &head, sizeof head) ||
			!take_span(&rest, head.name_len, &name) ||
			!take_span(&rest, head.value_len, &value)) {
			jv_free(input);
			return jv_invalid_with_msg(jv_string("a frame that is none"));
		}
		part = parse(name, value);
		if (!jv_is_valid(part)) {
			jv_free(input);
			return part;
		}
		input = jv_object_set(input, jv_string_sized(name.ptr, (int)name.len), part);
	}
	return input;
}

/* Takes `invalid`, which has a message. */
static bool fail_with(struct house *house, jv invalid)
{
	jv message = jv_invalid_get_msg(invalid);
	bool told;

	if (jv_get_kind(message) != JV_KIND_STRING)
		message = jv_dump_string(message, 0);
	told = fail(
		house, jv_string_value(message), (size_t)jv_string_length_bytes(jv_copy(message)));
	jv_free(message);
	return told;
}

/* One output, and nothing behind it. */
static bool run(struct house *house, jq_state *jq, jv input, size_t output_max)
{
	jv first, second;

	jq_start(jq, input, 0);
	first = jq_next(jq);
	if (!jv_is_valid(first)) {
		if (jv_invalid_has_msg(jv_copy(first)))
			return fail_with(house, first);
		jv_free(first);
		return fail_text(house, "the template gives no output");
	}
	second = jq_next(jq);
	if (!jv_is_valid(second) && !jv_invalid_has_msg(jv_copy(second))) {
		jv_free(second);
		return answer_output(house, first, output_max);
	}
	jv_free(first);
	if (!jv_is_valid(second))
		return fail_with(house, second);
	jv_free(second);
	return fail_text(house, "the template gives more than one output");
}

static bool evaluate(struct house *house, const struct template_ask *ask, struct span parts)
{
	struct program *program = find(house, ask->program);
	jv input;
	bool told;

	if (!program)
		return fail_text(house, "there is no such template any more");
	if (list_linked(&program->link))
		compile_program(house, program);
	if (!program->jq)
		return fail_text(house, "the template does not compile");
	confine_grant_cpu(CPU_SECONDS);
	jq_set_nomem_handler(program->jq, want_memory, NULL);
	input = build_input(parts, ask->count);
	if (!jv_is_valid(input))
		return fail_with(house, input);
	told = run(house, program->jq, input, ask->output_max);
	jq_start(program->jq, jv_null(), 0); /* lets go of what it was busy with */
	return told;
}

static bool try_compile(struct house *house, struct span text)
{
	char *copy = mem_copy(text.ptr, text.len);
	jq_state *jq;

	if (!copy)
		return fail_text(house, "no memory");
	confine_grant_cpu(COMPILE_SECONDS);
	jq = compile(house, copy);
	mem_free(copy);
	if (!jq)
		return fail(
			house, house->messages.ptr ? house->messages.ptr : "", house->messages.len);
	jq_teardown(&jq);
	house->answering = true;
	return servant_answer(house->servant, house->asked, done_head, (struct span){NULL, 0});
}

static bool answer(struct house *house, uint64_t id, struct span bytes)
{
	struct template_ask ask;

	house->asked = id;
	house->answering = false;
	if (!take_bytes(&bytes, &ask, sizeof ask))
		return fail_text(house, "a frame that is none");
	if (ask.order == TEMPLATE_COMPILE)
		return try_compile(house, bytes);
	return evaluate(house, &ask, bytes);
}

/* ---- the process ---- */

static void tidy(struct house *house, size_t question_len)
{
	size_t largest =
		question_len > house->output.capacity ? question_len : house->output.capacity;

	if (largest < TRIM_BYTES)
		return;
	buf_free(&house->output);
	malloc_trim(0);
}

static bool grew_old(struct house *house)
{
	return ++house->count % LOOK_EVERY == 0 && mallinfo2().uordblks > LEAVE_BYTES;
}

static void compile_one(struct house *house)
{
	struct program *program = LIST_OF(house->uncompiled.next, struct program, link);

	house->answering = true; /* nobody asked: what goes wrong now is no answer */
	compile_program(house, program);
}

/* False: the process is to end. */
static bool serve_one(struct house *house)
{
	struct helper_frame frame;
	struct span bytes;

	while (!list_empty(&house->uncompiled) && servant_idle(house->servant))
		compile_one(house);
	if (!servant_next(house->servant, &frame, &bytes))
		return false;
	if (frame.kind == HELPER_TELL)
		return keep(house, frame.id, bytes);
	if (frame.kind == HELPER_DROP) {
		drop(house, frame.id);
		return true;
	}
	if (frame.kind != HELPER_ASK || !answer(house, frame.id, bytes))
		return false;
	tidy(house, bytes.len);
	if (!grew_old(house))
		return true;
	(void)!servant_leave(house->servant); /* ends either way */
	return false;
}

static void free_all(struct house *house)
{
	for (size_t i = 0; i < house->programs.size; i++)
		while (house->programs.buckets[i]) {
			struct hash_node *node = house->programs.buckets[i];

			drop(house, ((struct program *)(void *)node)->id);
		}
	hash_free(&house->programs);
	buf_free(&house->messages);
	buf_free(&house->output);
}

void template_jq_loop(struct servant *servant, const char *remarks)
{
	struct house house = {.servant = servant, .answering = true};

	list_init(&house.uncompiled);
	buf_init(&house.messages, MESSAGES_MAX);
	buf_init(&house.output, 0);
	if (hash_init(&house.programs, 64) != ERR_OK)
		return;
	serving = &house;
	if (servant_ready(servant, remarks))
		while (serve_one(&house))
			continue;
	serving = NULL;
	free_all(&house);
}

void template_jq_serve(int fd)
{
	static char zone[] = "TZ=UTC0";
	char remarks[CONFINE_REMARKS_SIZE];
	struct servant servant;

	/* The C library reads a file for the zone when it first needs one, unless it is told. */
	putenv(zone);
	tzset();
	if (!confine_process(fd, MEMORY_BYTES, remarks))
		_exit(EXIT_FAILURE);
	servant_init(&servant, CONFINE_FD);
	template_jq_loop(&servant, remarks);
	_exit(EXIT_SUCCESS);
}
