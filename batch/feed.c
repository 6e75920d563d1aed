/* feed.c - an open batch: items go in one at a time, results come out as they complete.
 *
 * A slot is an item's place from feed_add to the feed_take after the one that gave its result: it
 * owns the text, then the rendered bytes. Workers fill slots and push them to `shared.done`; all
 * else is the owner's thread. */
#include "batch/feed_internal.h"

#include <string.h>

#include "common/clock.h"

enum {
	REORDER_MAX = 1024, /* items that may wait for an earlier one */
	SPARE = 64          /* beyond two for each call in flight, so that the pool never idles */
};

static bool starting(struct call *call);

const struct call_ops feed_call_ops = {.done = feed_end_call, .starting = starting};
const struct call_ops feed_task_ops = {.done = feed_end_call,
	.prepare = task_prepare,
	.starting = starting,
	.finish = task_finish,
	.forget = task_forget};

/* ---- life ---- */

static size_t most_outstanding(const struct options *says)
{
	size_t most = 2 * (size_t)says->concurrency + SPARE;

	return says->input_order && most < REORDER_MAX ? REORDER_MAX : most;
}

static enum err_code open_group(struct feed *feed)
{
	const struct pool_group_options options =
		terms_group(&feed->terms, feed->options.deadline_us);

	return pool_group_new(feed->terms.env.pool, &options, &feed->group, NULL);
}

enum err_code feed_new(const struct feed_options *options, struct feed **ret_feed)
{
	struct feed *feed = mem_try(sizeof *feed);

	if (!feed)
		return ERR_NOMEM;
	feed->options = *options;
	terms_init(&feed->terms, &options->env, options->caller);
	feed->terms.options = options->envelope->options;
	feed->terms.use = options->use;
	feed->max = most_outstanding(&feed->terms.options);
	atomic_init(&feed->stopped, false);
	mutex_init(&feed->lock);
	list_init(&feed->ready);
	list_init(&feed->shared.done);
	if (feed->terms.options.input_order)
		feed->window = mem_try(feed->max * sizeof(struct feed_slot *));
	if ((feed->terms.options.input_order && !feed->window) ||
		item_scratch_init(&feed->scratch, &options->envelope->defaults) != ERR_OK ||
		open_group(feed) != ERR_OK) {
		feed_destroy(feed);
		return ERR_NOMEM;
	}
	feed->terms.defaults = options->envelope->defaults;
	options->envelope->defaults = (struct defaults){0};
	if (options->use)
		feed->task_env = terms_task_env(&feed->terms);
	*ret_feed = feed;
	return ERR_OK;
}

static void drop_text(struct feed_slot *slot)
{
	mem_free(slot->text);
	slot->text = NULL;
}

void feed_free_slot(struct feed_slot *slot)
{
	struct mem_budget *budget;
	size_t charged;

	if (!slot)
		return;
	budget = slot->feed->terms.env.budget;
	charged = slot->charged;
	drop_text(slot);
	mem_free(slot->bytes);
	mem_free(slot);
	mem_give(budget, charged);
}

void feed_destroy(struct feed *feed)
{
	if (!feed)
		return;
	REQUIRE(feed->added == feed->taken);
	feed_free_slot(feed->given);
	if (feed->group)
		pool_group_close(feed->group);
	item_scratch_free(&feed->scratch);
	mem_free(feed->window);
	mutex_free(&feed->lock);
	terms_free(&feed->terms);
	mem_free(feed);
}

/* ---- results ---- */

static void fit_charge(struct feed_slot *slot, size_t held)
{
	struct mem_budget *budget = slot->feed->terms.env.budget;

	if (held > slot->charged)
		mem_owe(budget, held - slot->charged);
	else
		mem_give(budget, slot->charged - held);
	slot->charged = held;
}

/* False where there is no room: what is left of the result is rendered when it is taken. */
static bool render(struct feed_slot *slot, const struct outcome *outcome, const struct task *task)
{
	const struct terms *terms = &slot->feed->terms;
	const struct result_view view = terms_view(terms, slot->index, slot->id, task);
	struct result_measure measure;

	result_measure(&view, outcome, &measure);
	if (terms_render(terms, &view, outcome, &measure, &slot->bytes, &slot->len) != ERR_OK)
		return false;
	slot->charged += mem_block(measure.bytes);
	return true;
}

void feed_settle(struct feed_slot *slot, const struct outcome *outcome, const struct task *task)
{
	slot->code = outcome->code;
	slot->sent = outcome->sent;
	if (render(slot, outcome, task)) {
		drop_text(slot);
		slot->id = (struct span){NULL, 0};
		fit_charge(slot, mem_block(sizeof *slot) + mem_block(slot->len));
		return;
	}
	slot->code = ITEM_OVERLOADED;
	slot->brief = result_brief_of(ITEM_OVERLOADED, outcome);
}

static bool push_locked(struct feed *feed, struct feed_slot *slot) REQUIRES(feed->lock)
{
	bool first = list_empty(&feed->shared.done);

	list_push_back(&feed->shared.done, &slot->link);
	return first;
}

/* Once the slot is pushed the owner may take it and destroy the feed. */
void feed_hand_over(struct feed_slot *slot)
{
	struct feed *feed = slot->feed;
	void (*ready)(void *self) = feed->options.ready;
	void *self = feed->options.self;
	bool first;

	if (feed->terms.options.stop_on_error && slot->code != ITEM_OK &&
		slot->code != ITEM_CANCELLED && !atomic_exchange(&feed->stopped, true))
		pool_group_cancel(feed->group, POOL_STOP_ON_ERROR);
	mutex_lock(&feed->lock);
	first = push_locked(feed, slot);
	mutex_unlock(&feed->lock);
	if (first && ready)
		ready(self);
}

void feed_hint(const struct feed *feed, const char *host, uint16_t port, char ret[FEED_HINT_MAX])
{
	ret[0] = '\0';
	if (feed->options.blocked_hint)
		feed->options.blocked_hint(host, port, ret, FEED_HINT_MAX);
}

static void reword_blocked(const struct feed *feed, struct call *call)
{
	const struct outcome *outcome = &call->outcome;
	const struct url *url = call_url(call);
	char hint[FEED_HINT_MAX];

	if (outcome->reason == REASON_SCHEME_DENIED || outcome->reason == REASON_USERINFO_DENIED ||
		!outcome->message ||
		!strstr(outcome->message, url->host)) /* a redirect's target is another one */
		return;
	feed_hint(feed, url->host, url->port, hint);
	if (hint[0])
		call_fail(call, outcome->code, outcome->reason, outcome->retryable, "%s%s",
			outcome->message, hint);
}

static void reword(const struct feed *feed, struct call *call)
{
	const struct outcome *outcome = &call->outcome;

	if (outcome->code == ITEM_BLOCKED_TARGET)
		reword_blocked(feed, call);
	else if (outcome->code == ITEM_CANCELLED && feed->options.cancelled &&
		 outcome->reason == REASON_DRAIN)
		call_fail(call, outcome->code, outcome->reason, outcome->retryable, "%s (%s)",
			feed->options.cancelled, call->request.url.host);
}

void feed_end_call(struct call *call)
{
	struct item *item = (struct item *)(void *)call;
	struct feed_slot *slot = item->owner;

	reword(slot->feed, call);
	slot->repeatable = call->request.repeatable;
	feed_settle(slot, &call->outcome, item->task);
	item_destroy(item, slot->feed->terms.env.budget);
	feed_hand_over(slot);
}

static bool starting(struct call *call)
{
	const struct item *item = (const struct item *)(const void *)call;
	const struct feed_slot *slot = item->owner;
	const struct feed_options *options = &slot->feed->options;

	return !options->starting || call->request.repeatable ||
	       options->starting(options->self, slot->index);
}

static void collect_locked(struct feed *feed, struct list_node *ret_list) REQUIRES(feed->lock)
{
	list_init(ret_list);
	list_move_all(ret_list, &feed->shared.done);
}

static void collect(struct feed *feed)
{
	struct list_node list, *node;

	mutex_lock(&feed->lock);
	collect_locked(feed, &list);
	mutex_unlock(&feed->lock);
	if (!feed->window) {
		list_move_all(&feed->ready, &list);
		return;
	}
	while ((node = list_pop(&list))) {
		struct feed_slot *slot = LIST_OF(node, struct feed_slot, link);

		feed->window[slot->sequence % feed->max] = slot;
	}
}

static struct feed_slot *next_ready(struct feed *feed)
{
	struct feed_slot **place, *slot;
	struct list_node *node;

	if (!feed->window) {
		node = list_pop(&feed->ready);
		return node ? LIST_OF(node, struct feed_slot, link) : NULL;
	}
	place = &feed->window[feed->taken % feed->max];
	slot = *place;
	*place = NULL;
	return slot;
}

static struct span bytes_of(struct feed *feed, const struct feed_slot *slot)
{
	const struct result_view view = terms_view(&feed->terms, slot->index, slot->id, NULL);

	if (slot->bytes)
		return (struct span){slot->bytes, slot->len};
	return (struct span){feed->brief, result_render_brief(&view, &slot->brief, feed->brief)};
}

bool feed_take(struct feed *feed, struct feed_result *ret_result)
{
	struct feed_slot *slot;

	feed_free_slot(feed->given);
	feed->given = NULL;
	slot = next_ready(feed);
	if (!slot) {
		collect(feed);
		slot = next_ready(feed);
	}
	if (!slot)
		return false;
	feed->given = slot;
	feed->taken++;
	*ret_result = (struct feed_result){.index = slot->index,
		.bytes = bytes_of(feed, slot),
		.code = slot->code,
		.unrun = slot->code == ITEM_CANCELLED && (!slot->sent || slot->repeatable)};
	return true;
}

/* ---- what the owner asks ---- */

size_t feed_outstanding(const struct feed *feed)
{
	return feed->added - feed->taken;
}

/* Past half the budget only as much goes in as comes out: what is inside may still grow. */
size_t feed_room(const struct feed *feed)
{
	struct mem_budget *budget = feed->terms.env.budget;
	size_t outstanding = feed_outstanding(feed);

	if (outstanding > 0 && budget && budget->limit && mem_used(budget) > budget->limit / 2)
		return 0;
	return feed->max - outstanding;
}

bool feed_stopped(const struct feed *feed)
{
	return atomic_load(&feed->stopped);
}

void feed_cancel(struct feed *feed, enum pool_cancel why)
{
	pool_group_cancel(feed->group, why);
}
