/* helper.c - work that is done in child processes, because it may crash, loop or run out of memory.
 *
 * Vocabulary: question = what the owner hands in; request = a question on its way; link = a place
 * for a process; line = whose turn comes among requests that no process has yet (helper_turns.c).
 * Invariants: a request is in exactly one list, and its timer in the heap; `done` is called once,
 * after the request has left both. */
#include "pool/helper_internal.h"

#include <string.h>
#include <sys/epoll.h>

#include "common/clock.h"
#include "common/mem.h"

static void free_request(struct helper_set *set, struct helper_request *request)
{
	helper_turns_leave(set, request);
	heap_remove(&set->timers, &request->timer);
	if (request->note)
		request->note->uses--;
	set->questions--;
	set->bytes -= request->frame.len;
	mem_free(request->bytes);
	mem_free(request);
}

void helper_request_end(struct helper_set *set, struct helper_request *request,
	enum helper_outcome outcome, struct span answer)
{
	helper_done_fn *done = request->done;
	void *arg = request->arg;

	free_request(set, request);
	if (done)
		done(arg, outcome, answer);
}

/* ---- questions ---- */

static struct helper_link *least_loaded(struct helper_set *set)
{
	struct helper_link *best = NULL;

	for (size_t i = 0; i < set->options.count; i++) {
		struct helper_link *link = &set->links[i];

		if (link->ready && link->sent_count < HELPER_WINDOW &&
			(!best || link->sent_count < best->sent_count))
			best = link;
	}
	return best;
}

static void dispatch(struct helper_set *set, uint64_t now_us)
{
	struct helper_link *link;

	while (!list_empty(&set->turns) && (link = least_loaded(set)) != NULL)
		helper_link_send(link, helper_turns_next(set), now_us);
}

static struct helper_note *find_note(struct helper_set *set, uint64_t id)
{
	for (struct list_node *node = set->notes.next; node != &set->notes; node = node->next) {
		struct helper_note *note = LIST_OF(node, struct helper_note, link);

		if (note->frame.id == id)
			return note;
	}
	return NULL;
}

enum err_code helper_ask(struct helper_set *set, const struct helper_question *question,
	uint64_t now_us, struct helper_request **ret_request)
{
	struct helper_options *options = &set->options;
	struct helper_request *request;

	if (set->questions >= options->queue_max || question->len > HELPER_FRAME_MAX ||
		set->bytes + question->len > options->queue_bytes)
		return ERR_BUSY;
	request = mem_try(sizeof *request);
	if (!request || !helper_turns_join(set, request, question->caller, question->asker)) {
		mem_free(request);
		return ERR_NOMEM;
	}
	set->questions++;
	set->bytes += question->len;
	request->frame = (struct helper_frame){(uint32_t)question->len, HELPER_ASK, ++set->last_id};
	request->bytes = question->bytes;
	request->note = question->note ? find_note(set, question->note) : NULL;
	if (request->note)
		request->note->uses++;
	if (request->note)
		request->note->asked = true;
	request->limit_us = question->limit_us;
	request->deadline_us = question->deadline_us;
	request->done = question->done;
	request->arg = question->arg;
	request->timer.kind = HELPER_TIMER_REQUEST;
	heap_set(&set->timers, &request->timer, request->deadline_us);
	helper_turns_wait(set, request, false);
	dispatch(set, now_us);
	if (ret_request)
		*ret_request = request;
	return ERR_OK;
}

void helper_forget(struct helper_set *set, struct helper_request *request)
{
	request->done = NULL;
	if (!request->sent)
		free_request(set, request);
}

/* ---- notes ---- */

enum err_code helper_tell(struct helper_set *set, uint64_t id, struct span bytes, uint64_t now_us)
{
	struct helper_note *note = find_note(set, id);

	if (note) {
		list_remove(&note->link);
		list_push_front(&set->notes, &note->link);
		return ERR_OK;
	}
	if (set->note_count >= set->options.notes_max ||
		set->note_bytes + bytes.len > set->options.note_bytes)
		return ERR_LIMIT;
	note = mem_try(sizeof *note + bytes.len);
	if (!note)
		return ERR_NOMEM;
	note->frame = (struct helper_frame){(uint32_t)bytes.len, HELPER_TELL, id};
	if (bytes.len > 0)
		memcpy(note->bytes, bytes.ptr, bytes.len);
	list_push_front(&set->notes, &note->link);
	set->note_count++;
	set->note_bytes += bytes.len;
	for (size_t i = 0; i < set->options.count; i++)
		helper_link_add_note(&set->links[i], note->frame, note->bytes, now_us);
	return ERR_OK;
}

static void free_note(struct helper_set *set, struct helper_note *note)
{
	list_remove(&note->link);
	set->note_count--;
	set->note_bytes -= note->frame.len;
	mem_free(note);
}

static void drop_note(struct helper_set *set, struct helper_note *note, uint64_t now_us)
{
	const struct helper_frame frame = {0, HELPER_DROP, note->frame.id};

	free_note(set, note);
	for (size_t i = 0; i < set->options.count; i++)
		helper_link_add_note(&set->links[i], frame, "", now_us);
}

void helper_drop(struct helper_set *set, uint64_t id, uint64_t now_us)
{
	struct helper_note *note = find_note(set, id);

	if (note && note->uses == 0)
		drop_note(set, note, now_us);
}

void helper_drop_unused(struct helper_set *set, uint64_t now_us)
{
	for (struct list_node *node = set->notes.next, *after; node != &set->notes; node = after) {
		struct helper_note *note = LIST_OF(node, struct helper_note, link);

		after = node->next;
		if (note->uses > 0)
			continue;
		if (!note->asked)
			drop_note(set, note, now_us);
		else
			note->asked = false;
	}
}

/* ---- time ---- */

static struct helper_link *link_of(struct helper_set *set, const struct helper_request *request)
{
	for (size_t i = 0; i < set->options.count; i++)
		if (set->links[i].sent.next == &request->link)
			return &set->links[i];
	return NULL;
}

/* Late while it waits, or lies behind another: nobody is to blame. Late while it is worked on: past
 * its deadline the process may still finish it, past its limit it is killed. */
static void be_late(struct helper_set *set, struct helper_request *request, uint64_t now_us)
{
	struct helper_link *link = request->sent ? link_of(set, request) : NULL;
	uint64_t end_us = link ? clock_add(request->begun_us, request->limit_us) : CLOCK_NEVER;
	helper_done_fn *done = request->done;

	if (!request->sent) {
		helper_request_end(set, request, HELPER_LATE, (struct span){NULL, 0});
		return;
	}
	if (now_us >= end_us) {
		helper_link_stop(link, HELPER_LATE, now_us);
		return;
	}
	request->done = NULL;
	heap_set(&set->timers, &request->timer, end_us);
	if (done)
		done(request->arg, HELPER_LATE, (struct span){NULL, 0});
}

static void expire(struct helper_set *set, uint64_t now_us)
{
	while (heap_due(&set->timers) <= now_us) {
		struct heap_node *first = heap_first(&set->timers);

		if (first->kind == HELPER_TIMER_REQUEST) {
			be_late(set, LIST_OF(first, struct helper_request, timer), now_us);
		} else {
			heap_remove(&set->timers, first);
			helper_link_timer(LIST_OF(first, struct helper_link, timer), now_us);
		}
	}
}

static bool hopeless(const struct helper_set *set)
{
	for (size_t i = 0; i < set->options.count; i++)
		if (!helper_link_hopeless(&set->links[i]))
			return false;
	return true;
}

/* Only those that wait now: who asks again from `done` waits for the next round. */
static void refuse_waiting(struct helper_set *set)
{
	struct list_node refused, *node;
	struct helper_request *request;

	list_init(&refused);
	while ((request = helper_turns_next(set)))
		list_push_back(&refused, &request->link);
	while ((node = list_pop(&refused)))
		helper_request_end(set, LIST_OF(node, struct helper_request, link),
			HELPER_UNAVAILABLE, (struct span){NULL, 0});
}

void helper_process(struct helper_set *set, int fd, uint32_t events, uint64_t now_us)
{
	for (size_t i = 0; fd >= 0 && i < set->options.count; i++) {
		struct helper_link *link = &set->links[i];

		if (link->fd != fd)
			continue;
		if (events & EPOLLOUT)
			helper_link_flush(link);
		if (events & ~(uint32_t)EPOLLOUT)
			helper_link_receive(link, now_us);
		break;
	}
	expire(set, now_us);
	dispatch(set, now_us);
	if (!list_empty(&set->turns) && hopeless(set))
		refuse_waiting(set);
}

uint64_t helper_due_us(const struct helper_set *set)
{
	if (!list_empty(&set->turns) && hopeless(set))
		return 0;
	return heap_due(&set->timers);
}

/* ---- life ---- */

enum err_code helper_new(const struct helper_options *options, uint64_t now_us,
	struct helper_set **ret_set, struct err *err)
{
	struct helper_set *set;

	REQUIRE(options->count > 0 && options->count <= HELPER_COUNT_MAX);
	set = mem_try(sizeof *set);
	if (!set)
		return err_set(err, ERR_NOMEM, "no memory for helper processes");
	set->options = *options;
	list_init(&set->turns);
	list_init(&set->notes);
	heap_init(&set->timers);
	if (hash_init(&set->lines, 64) != ERR_OK ||
		heap_reserve(&set->timers, options->queue_max + options->count) != ERR_OK) {
		hash_free(&set->lines);
		heap_free(&set->timers);
		mem_free(set);
		return err_set(err, ERR_NOMEM, "no memory for helper processes");
	}
	for (size_t i = 0; i < options->count; i++)
		helper_link_init(&set->links[i], set, now_us);
	expire(set, now_us);
	*ret_set = set;
	return ERR_OK;
}

void helper_destroy(struct helper_set *set)
{
	struct helper_request *request;

	if (!set)
		return;
	for (size_t i = 0; i < set->options.count; i++) {
		struct helper_link *link = &set->links[i];

		helper_link_free(link);
		while (!list_empty(&link->sent))
			free_request(set, LIST_OF(link->sent.next, struct helper_request, link));
	}
	while ((request = helper_turns_next(set)))
		free_request(set, request);
	while (!list_empty(&set->notes))
		free_note(set, LIST_OF(set->notes.next, struct helper_note, link));
	hash_free(&set->lines);
	heap_free(&set->timers);
	mem_free(set);
}

struct helper_counts helper_counts(const struct helper_set *set)
{
	struct helper_counts counts = {.questions = set->questions, .started = set->started};

	for (size_t i = 0; i < set->options.count; i++)
		counts.ready += set->links[i].ready;
	return counts;
}
