/* feed_intake.c - an item on its way into a feed: read, refused, overloaded or queued. */
#include "batch/feed_internal.h"

#include <stdio.h>
#include <string.h>

void feed_flush(struct feed *feed)
{
	size_t count = feed->pending_count;

	feed->pending_count = 0;
	if (count == 0 || pool_submit(feed->group, feed->pending, count, NULL) == ERR_OK)
		return;
	for (size_t i = 0; i < count; i++) {
		struct call *call = feed->pending[i];

		call_fail(call, ITEM_OVERLOADED, REASON_NONE, true,
			"there is no memory to queue the call to %s now", call->request.url.host);
		feed_end_call(call);
	}
}

static struct feed_slot *new_slot(struct feed *feed, size_t index, size_t text_bytes)
{
	size_t charged =
		mem_block(sizeof(struct feed_slot)) + (text_bytes ? mem_block(text_bytes) : 0);
	struct feed_slot *slot;

	REQUIRE(feed_outstanding(feed) < feed->max);
	if (!mem_take(feed->terms.env.budget, charged))
		return NULL;
	slot = mem_try(sizeof *slot);
	if (!slot) {
		mem_give(feed->terms.env.budget, charged);
		return NULL;
	}
	slot->feed = feed;
	slot->charged = charged;
	slot->index = index;
	slot->id = SPAN("null");
	return slot;
}

static void admit(struct feed *feed, struct feed_slot *slot)
{
	slot->sequence = feed->added++;
}

static void refuse(
	struct feed_slot *slot, enum item_code code, enum item_reason reason, char *message)
{
	const struct outcome outcome = {.code = code, .reason = reason, .message = message};

	slot->repeatable = true;
	feed_settle(slot, &outcome, NULL);
	feed_hand_over(slot);
}

/* An item that cannot be a call. */
static void refuse_item(struct feed_slot *slot, const struct item_verdict *verdict)
{
	char line[40] = "", hint[FEED_HINT_MAX] = "";
	char message[sizeof line + FAULT_MESSAGE_MAX + sizeof hint];

	if (slot->line && verdict->code == ITEM_INVALID_ITEM)
		snprintf(line, sizeof line, "line %zu: ", slot->line);
	if (verdict->code == ITEM_BLOCKED_TARGET && verdict->host[0])
		feed_hint(slot->feed, verdict->host, verdict->port, hint);
	snprintf(message, sizeof message, "%s%s%s", line, verdict->fault.message, hint);
	refuse(slot, verdict->code, verdict->fault.reason, message);
}

static void end_lost(struct feed *feed, struct item *item)
{
	struct call *call = &item->call;

	call_fail(call, ITEM_CANCELLED, REASON_CLIENT_GONE, true, "%s (%s)",
		feed->options.lost ? feed->options.lost : "its outcome is unknown",
		call->request.url.host);
	call->budget = feed->terms.env.budget;
	call->outcome.sent = true;
	call->outcome.attempts = 1;
}

static void queue(struct feed *feed, struct item *item)
{
	feed->pending[feed->pending_count++] = &item->call;
	if (feed->pending_count == FEED_PENDING_MAX)
		feed_flush(feed);
}

static enum err_code read_slot(struct feed *feed, struct feed_slot *slot,
	const struct feed_item *from, struct item **ret_item, struct item_verdict *ret_verdict)
{
	const struct item_env env = terms_item_env(&feed->terms, &feed_call_ops, slot);

	slot->text = mem_copy(from->text.ptr, from->text.len);
	if (!slot->text)
		return ERR_NOMEM;
	slot->line = from->line;
	feed->scratch.last = NULL; /* the call before may be gone */
	if (feed->terms.use)
		return task_new(&feed->task_env, &feed_task_ops, slot,
			(struct span){slot->text, from->text.len}, from->index, &feed->scratch,
			ret_item, ret_verdict);
	return item_read(&env, (struct span){slot->text, from->text.len}, from->index,
		&feed->scratch, ret_item, ret_verdict);
}

/* Nothing is inside and it does not fit even so: it fails alone. */
static enum err_code overload(struct feed *feed, const struct feed_item *from)
{
	char message[] = "limits.memory has no room for this item";
	struct span id = item_id(from->text);
	struct feed_slot *slot;

	if (feed_outstanding(feed) > 0)
		return ERR_LIMIT;
	slot = mem_try(sizeof *slot);
	if (!slot)
		return ERR_NOMEM;
	slot->feed = feed;
	slot->index = from->index;
	slot->text = mem_copy(id.ptr, id.len);
	if (!slot->text) {
		feed_free_slot(slot);
		return ERR_NOMEM;
	}
	slot->id = (struct span){slot->text, id.len};
	admit(feed, slot);
	refuse(slot, ITEM_OVERLOADED, REASON_NONE, message);
	return ERR_OK;
}

enum err_code feed_add(struct feed *feed, const struct feed_item *from)
{
	struct feed_slot *slot = new_slot(feed, from->index, from->text.len + 1);
	struct item *item = NULL;
	struct item_verdict verdict;

	if (!slot)
		return overload(feed, from);
	if (read_slot(feed, slot, from, &item, &verdict) != ERR_OK) {
		feed_free_slot(slot);
		return overload(feed, from);
	}
	slot->id = verdict.id;
	admit(feed, slot);
	if (!item) {
		refuse_item(slot, &verdict);
	} else if (from->lost && !item->call.request.repeatable) {
		end_lost(feed, item);
		feed_end_call(&item->call);
	} else {
		queue(feed, item);
	}
	return ERR_OK;
}

enum err_code feed_refuse(struct feed *feed, size_t index, const char *message)
{
	struct feed_slot *slot = new_slot(feed, index, 0);
	char text[FAULT_MESSAGE_MAX];

	if (!slot)
		return feed_outstanding(feed) > 0 ? ERR_LIMIT : ERR_NOMEM;
	snprintf(text, sizeof text, "%s", message);
	admit(feed, slot);
	refuse(slot, ITEM_INVALID_ITEM, REASON_BODY_INVALID, text);
	return ERR_OK;
}
