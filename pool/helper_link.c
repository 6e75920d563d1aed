/* helper_link.c - one helper process: its socket, its frames, its life.
 *
 *   none --timer--> starting --READY--> ready --EOF, LEAVE, too late--> none --timer--> …
 *
 * When a process ends, the question it worked on is to blame, if it had said READY. An end that no
 * question explains is answered with patience: the next start comes later each time. */
#include "pool/helper_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"

enum {
	READ_BYTES = 64 * 1024,
	KEPT_BYTES = 256 * 1024, /* a buffer that grew larger is given back */
	READY_MAX_US = 10 * 1000 * 1000,
	KILL_AGAIN_US = 10 * 1000,
	WAIT_FIRST_US = 10 * 1000,
	WAIT_MAX_US = 1000 * 1000,
	FAILURES_AT_ONCE = 1,
	FAILURES_HOPELESS = 6
};

static uint64_t patience(unsigned failures)
{
	unsigned doublings = failures - FAILURES_AT_ONCE - 1;

	if (failures <= FAILURES_AT_ONCE)
		return 0;
	return doublings > 6 ? WAIT_MAX_US : (uint64_t)WAIT_FIRST_US << doublings;
}

static void watch(struct helper_link *link, uint32_t events)
{
	link->set->options.watch(link->set->options.arg, link->fd, events);
}

/* ---- its life ---- */

static void shut(struct helper_link *link)
{
	watch(link, 0);
	close(link->fd);
	link->fd = -1;
	link->ready = link->wants_out = false;
	link->unkilled = link->child;
	link->writing = NULL;
	buf_free(&link->in);
	buf_free(&link->notes);
	link->notes_written = link->written = 0;
}

/* To the front of those that wait, in their order. */
static void give_back_sent(struct helper_link *link)
{
	struct helper_set *set = link->set;

	while (!list_empty(&link->sent)) {
		struct helper_request *request =
			LIST_OF(link->sent.prev, struct helper_request, link);

		list_remove(&request->link);
		request->sent = false;
		if (!request->done) {
			helper_request_end(set, request, HELPER_DIED, (struct span){NULL, 0});
			continue;
		}
		helper_turns_wait(set, request, true);
		heap_set(&set->timers, &request->timer, request->deadline_us);
	}
	link->sent_count = 0;
}

static void lose(struct helper_link *link, bool explained, uint64_t now_us)
{
	shut(link);
	give_back_sent(link);
	if (!explained)
		link->failures++;
	heap_set(&link->set->timers, &link->timer,
		now_us + (explained ? 0 : patience(link->failures)));
}

void helper_link_stop(struct helper_link *link, enum helper_outcome outcome, uint64_t now_us)
{
	struct helper_request *guilty = NULL;

	if (link->ready && !list_empty(&link->sent))
		guilty = LIST_OF(list_pop(&link->sent), struct helper_request, link);
	lose(link, guilty != NULL, now_us);
	if (guilty)
		helper_request_end(link->set, guilty, outcome, (struct span){NULL, 0});
}

bool helper_link_hopeless(const struct helper_link *link)
{
	return !link->ready && link->failures >= FAILURES_HOPELESS;
}

static bool add_frame(struct buf *out, struct helper_frame frame, const char *bytes)
{
	buf_add(out, &frame, sizeof frame);
	buf_add(out, bytes, frame.len);
	return !out->failed;
}

static bool add_all_notes(struct helper_link *link)
{
	struct list_node *head = &link->set->notes;

	for (struct list_node *node = head->next; node != head; node = node->next) {
		struct helper_note *note = LIST_OF(node, struct helper_note, link);

		if (!add_frame(&link->notes, note->frame, note->bytes))
			return false;
	}
	return true;
}

static void start(struct helper_link *link, uint64_t now_us)
{
	struct helper_set *set = link->set;

	if (forker_spawn(set->options.forker, &link->fd, &link->child) != ERR_OK) {
		link->failures++;
		heap_set(&set->timers, &link->timer, now_us + patience(link->failures));
		return;
	}
	set->started++;
	watch(link, EPOLLIN);
	heap_set(&set->timers, &link->timer, now_us + READY_MAX_US);
	if (add_all_notes(link))
		helper_link_flush(link);
	else
		lose(link, false, now_us);
}

void helper_link_timer(struct helper_link *link, uint64_t now_us)
{
	struct helper_set *set = link->set;

	if (link->fd >= 0) {
		lose(link, false, now_us);
		return;
	}
	if (link->unkilled && forker_kill(set->options.forker, link->unkilled) == ERR_BUSY) {
		heap_set(&set->timers, &link->timer, now_us + KILL_AGAIN_US);
		return;
	}
	link->unkilled = 0;
	start(link, now_us);
}

void helper_link_init(struct helper_link *link, struct helper_set *set, uint64_t now_us)
{
	link->set = set;
	link->fd = -1;
	list_init(&link->sent);
	link->timer.kind = HELPER_TIMER_LINK;
	buf_init(&link->in, set->options.answer_max + sizeof(struct helper_frame) + READ_BYTES);
	buf_init(&link->notes, HELPER_FRAME_MAX);
	heap_set(&set->timers, &link->timer, now_us);
}

void helper_link_free(struct helper_link *link)
{
	if (link->fd >= 0)
		shut(link);
	/* One that could not be told ends when it has read that its socket is closed, or by its
	 * limit of CPU time. */
	if (link->unkilled && forker_kill(link->set->options.forker, link->unkilled) == ERR_OK)
		link->unkilled = 0;
}

/* ---- to it ---- */

static size_t size_of(const struct helper_request *request)
{
	return sizeof request->frame + request->frame.len;
}

/* How many bytes went; 0: no more now. A broken socket shows as its end, when it is read. */
static size_t push(const struct helper_link *link, struct iovec *parts, size_t count)
{
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
	ssize_t sent;

	do {
		sent = sendmsg(link->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	return sent > 0 ? (size_t)sent : 0;
}

static bool push_notes(struct helper_link *link)
{
	struct buf *notes = &link->notes;
	struct iovec part = {notes->ptr + link->notes_written, notes->len - link->notes_written};
	size_t sent = push(link, &part, 1);

	link->notes_written += sent;
	if (link->notes_written == notes->len) {
		buf_free(notes);
		link->notes_written = 0;
	}
	return sent > 0;
}

static bool push_request(struct helper_link *link)
{
	struct helper_request *request = link->writing;
	size_t head = sizeof request->frame, at = link->written, sent;
	size_t head_done = at < head ? at : head, body_done = at - head_done;
	struct iovec parts[2] = {{(char *)&request->frame + head_done, head - head_done},
		{request->bytes + body_done, request->frame.len - body_done}};

	sent = push(link, parts, 2);
	link->written += sent;
	if (link->written == size_of(request)) {
		struct list_node *next = request->link.next;

		link->writing =
			next == &link->sent ? NULL : LIST_OF(next, struct helper_request, link);
		link->written = 0;
	}
	return sent > 0;
}

void helper_link_flush(struct helper_link *link)
{
	bool went = true, left = true;

	while (went && left) {
		if (link->notes.len > 0 && link->written == 0)
			went = push_notes(link);
		else if (link->writing)
			went = push_request(link);
		left = link->notes.len > 0 || link->writing;
	}
	if (left == link->wants_out)
		return;
	link->wants_out = left;
	watch(link, left ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* The first of sent is worked on from now. */
static void begin_first(struct helper_link *link, uint64_t now_us)
{
	struct helper_request *first;
	uint64_t end;

	if (list_empty(&link->sent))
		return;
	first = LIST_OF(link->sent.next, struct helper_request, link);
	first->begun_us = now_us;
	end = clock_add(now_us, first->limit_us);
	if (first->done && first->deadline_us < end)
		end = first->deadline_us;
	heap_set(&link->set->timers, &first->timer, end);
}

void helper_link_send(struct helper_link *link, struct helper_request *request, uint64_t now_us)
{
	request->sent = true;
	list_push_back(&link->sent, &request->link);
	if (link->sent_count++ == 0)
		begin_first(link, now_us);
	if (link->writing)
		return;
	link->writing = request;
	helper_link_flush(link);
}

void helper_link_add_note(
	struct helper_link *link, struct helper_frame frame, const char *bytes, uint64_t now_us)
{
	if (link->fd < 0)
		return;
	if (add_frame(&link->notes, frame, bytes))
		helper_link_flush(link);
	else
		lose(link, false, now_us);
}

/* ---- from it ---- */

static bool take_answer(struct helper_link *link, uint64_t id, struct span answer, uint64_t now_us)
{
	struct helper_request *first = LIST_OF(link->sent.next, struct helper_request, link);

	if (list_empty(&link->sent) || first == link->writing || first->frame.id != id)
		return false;
	list_remove(&first->link);
	link->sent_count--;
	link->failures = 0;
	begin_first(link, now_us);
	helper_request_end(link->set, first, HELPER_OK, answer);
	return true;
}

/* False: it does not keep to the rules. */
static bool take_frame(
	struct helper_link *link, struct helper_frame frame, struct span bytes, uint64_t now_us)
{
	struct helper_options *options = &link->set->options;

	if (frame.kind == HELPER_ANSWER)
		return link->ready && take_answer(link, frame.id, bytes, now_us);
	if (frame.kind == HELPER_LEAVE && link->ready) {
		lose(link, true, now_us);
		return true;
	}
	if (frame.kind != HELPER_READY || link->ready)
		return false;
	link->ready = true;
	heap_remove(&link->set->timers, &link->timer);
	if (options->remark)
		options->remark(options->arg, bytes);
	return true;
}

static void take_frames(struct helper_link *link, uint64_t now_us)
{
	struct buf *in = &link->in;
	struct helper_frame frame;
	size_t at = 0, head = sizeof frame;

	while (in->len - at >= head) {
		memcpy(&frame, in->ptr + at, head);
		if (frame.len > link->set->options.answer_max) {
			helper_link_stop(link, HELPER_TOO_LARGE, now_us);
			return;
		}
		if (in->len - at - head < frame.len)
			break;
		if (!take_frame(link, frame, (struct span){in->ptr + at + head, frame.len}, now_us))
			helper_link_stop(link, HELPER_DIED, now_us);
		if (link->fd < 0)
			return;
		at += head + frame.len;
	}
	if (at == in->len && in->capacity > KEPT_BYTES) {
		buf_free(in);
	} else if (at > 0) {
		memmove(in->ptr, in->ptr + at, in->len - at);
		in->len -= at;
	}
}

/* Room for the rest of the frame that has begun, so that a large one is not moved many times. */
static enum err_code make_room(struct helper_link *link)
{
	struct buf *in = &link->in;
	struct helper_frame frame;
	size_t room = READ_BYTES;

	if (in->len >= sizeof frame) {
		memcpy(&frame, in->ptr, sizeof frame);
		if (frame.len + sizeof frame - in->len > room)
			room = frame.len + sizeof frame - in->len;
	}
	return buf_reserve(in, room);
}

void helper_link_receive(struct helper_link *link, uint64_t now_us)
{
	struct buf *in = &link->in;
	ssize_t got;

	if (make_room(link) != ERR_OK) {
		helper_link_stop(link, HELPER_UNAVAILABLE, now_us);
		return;
	}
	got = recv(link->fd, in->ptr + in->len, in->capacity - in->len - 1, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		helper_link_stop(link, HELPER_DIED, now_us);
		return;
	}
	in->len += (size_t)got;
	take_frames(link, now_us);
}
