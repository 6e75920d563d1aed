/* pool.c - the bounded worker pool: one lock around the scheduler, and the workers that take turns
 * with it.
 *
 * Whatever happens under the lock only decides; workers are woken after it. Worker 0 keeps the
 * time: it sleeps until the scheduler's first timer, and is woken when an earlier one is set. */
#include "pool/pool_internal.h"

#include <limits.h>

#include "common/clock.h"
#include "common/log.h"

enum {
	QUEUE_RESERVE = 8, /* an eighth of the queue */
	SHARE_SLACK = 16, /* calls a worker may have beyond an even share before another is asked */
	MANY_IN_FLIGHT = 1000, /* from here on, memory counts more than large reads */
	BUFFER_BYTES = 16 * 1024,
	BUFFER_BYTES_MANY = 2 * 1024
};

struct wake_plan { /* what to do after unlocking: a bit a worker */
	uint64_t workers;
};

static void plan_wake(struct wake_plan *plan, unsigned index)
{
	plan->workers |= UINT64_C(1) << index;
}

static void carry_out(struct pool *pool, const struct wake_plan *plan)
{
	for (unsigned i = 0; i < pool->threads; i++)
		if (plan->workers >> i & 1)
			worker_wake(pool->workers[i]);
}

static unsigned idlest_locked(const struct pool *pool) REQUIRES(pool->lock)
{
	unsigned best = 0;

	for (unsigned i = 1; i < pool->threads; i++)
		if (pool->shared.load[i] < pool->shared.load[best])
			best = i;
	return best;
}

/* After anything that may have made work, ended calls or set an earlier timer. `self`: the worker
 * that is awake anyway. */
static void plan_locked(struct pool *pool, unsigned self, struct wake_plan *plan)
	REQUIRES(pool->lock)
{
	uint64_t due = sched_due_us(pool->shared.sched);
	unsigned idlest = idlest_locked(pool);

	if (idlest != self &&
		(sched_has_ready(pool->shared.sched) || sched_has_ended(pool->shared.sched)))
		plan_wake(plan, idlest);
	if (self != 0 && due < pool->shared.keeper_due_us) {
		pool->shared.keeper_due_us = due;
		plan_wake(plan, 0);
	}
}

static void give_back_locked(struct pool *pool, unsigned index, struct worker_turn *turn,
	uint64_t now_us) REQUIRES(pool->lock)
{
	struct list_node *node;

	while ((node = list_pop(&turn->back))) {
		struct call *call = LIST_OF(node, struct call, sched.link);
		bool again = call->again;

		sched_give_back(pool->shared.sched, call, now_us);
		pool->shared.load[index]--;
		if (!again)
			list_push_back(&turn->done, &call->sched.link);
	}
}

/* An even share and a little more, so that neither one thread does all the work nor calls are
 * handed round for nothing. */
static bool may_take_locked(const struct pool *pool, unsigned index) REQUIRES(pool->lock)
{
	size_t all = 0;

	REQUIRE(index < pool->threads);
	for (unsigned i = 0; i < pool->threads; i++)
		all += pool->shared.load[i];
	return pool->shared.load[index] < all / pool->threads + SHARE_SLACK;
}

static void pick_locked(struct pool *pool, unsigned index, struct worker_turn *turn,
	uint64_t now_us) REQUIRES(pool->lock)
{
	while (may_take_locked(pool, index)) {
		struct call *call = sched_pick(pool->shared.sched, now_us);

		if (!call)
			return;
		pool->shared.load[index]++;
		list_push_back(&turn->starts, &call->sched.link);
	}
}

static bool is_over_locked(const struct pool *pool) REQUIRES(pool->lock)
{
	struct pool_stats stats;

	if (!pool->shared.closing)
		return false;
	sched_stats(pool->shared.sched, &stats);
	return stats.in_flight == 0 && stats.queued == 0 && !sched_has_ended(pool->shared.sched);
}

static void take_config_locked(struct pool *pool, struct worker_turn *turn, struct config **ret_old)
	REQUIRES(pool->lock)
{
	if (turn->config == pool->shared.config)
		return;
	*ret_old = turn->config;
	turn->config = config_ref(pool->shared.config);
}

static void turn_locked(struct pool *pool, unsigned index, struct worker_turn *turn,
	struct wake_plan *plan) REQUIRES(pool->lock)
{
	uint64_t now = clock_us();

	give_back_locked(pool, index, turn, now);
	sched_expire(pool->shared.sched, now);
	pick_locked(pool, index, turn, now);
	sched_take_ended(pool->shared.sched, &turn->ended);
	turn->due_us = index == 0 ? sched_due_us(pool->shared.sched) : CLOCK_NEVER;
	if (index == 0)
		pool->shared.keeper_due_us = turn->due_us;
	turn->cancels = pool->shared.cancels;
	turn->stop = is_over_locked(pool);
	plan_locked(pool, index, plan);
	if (turn->stop)
		plan->workers = UINT64_MAX;
}

static void take_events_locked(struct pool *pool, struct sched_events *ret_events)
	REQUIRES(pool->lock)
{
	sched_take_events(pool->shared.sched, ret_events);
}

static void log_events(const struct sched_events *events)
{
	for (size_t i = 0; i < events->count; i++) {
		const struct sched_event *event = &events->items[i];

		if (event->opened)
			log_warn("circuit_opened", LOG_S("upstream", event->origin),
				LOG_MS("open_ms", event->open_us));
		else
			log_info("circuit_closed", LOG_S("upstream", event->origin));
	}
	if (events->lost > 0)
		log_warn("circuits_untold", LOG_U("count", events->lost));
}

static void on_turn(void *pool_arg, unsigned index, struct worker_turn *turn)
{
	struct pool *pool = pool_arg;
	struct sched_events events;
	struct wake_plan plan = {0};
	struct config *old = NULL;

	mutex_lock(&pool->lock);
	turn_locked(pool, index, turn, &plan);
	take_events_locked(pool, &events);
	take_config_locked(pool, turn, &old);
	mutex_unlock(&pool->lock);
	config_unref(old);
	plan.workers &= ~(UINT64_C(1) << index);
	carry_out(pool, &plan);
	log_events(&events);
	mem_free(events.items);
}

/* The scheduler asks, and it is only ever called under the lock. */
static void rule_locked(void *pool_arg, const struct url *url,
	struct upstream_rule *ret_rule) NO_THREAD_SAFETY_ANALYSIS
{
	const struct pool *pool = pool_arg;

	rules_find(pool->shared.rules, url, ret_rule);
}

/* Likewise. */
static bool endpoint_rule_locked(
	void *pool_arg, const char *name, struct sched_bound *ret_bound) NO_THREAD_SAFETY_ANALYSIS
{
	const struct pool *pool = pool_arg;
	const struct config_endpoint *endpoint = config_endpoint_of(pool->shared.config, name);

	if (!endpoint)
		return false;
	*ret_bound = (struct sched_bound){.concurrency = UINT_MAX};
	if (endpoint->concurrency > 0)
		ret_bound->concurrency = endpoint->concurrency;
	ret_bound->rate_per_s = endpoint->rate_per_s;
	return true;
}

/* Without keys there is but one caller. */
static size_t queue_reserve(const struct config *config)
{
	return config->auth.key_count > 0 ? config->pool.queue_limit / QUEUE_RESERVE : 0;
}

static enum err_code start_workers(
	struct pool *pool, struct config *config, struct forker *forker, struct err *err)
{
	struct worker_options options = {.turn = on_turn,
		.self = pool,
		.config = config,
		.forker = forker,
		.remarked = &pool->remarked,
		.buffer_bytes = config->pool.max_in_flight > MANY_IN_FLIGHT ? BUFFER_BYTES_MANY
									    : BUFFER_BYTES};
	unsigned threads = config->pool.threads ? config->pool.threads : thread_cpus();
	enum err_code code = ERR_OK;

	worker_library_init();
	if (threads > POOL_THREADS_MAX)
		threads = POOL_THREADS_MAX;
	for (options.index = 0; options.index < threads && code == ERR_OK; options.index++) {
		code = worker_new(&options, &pool->workers[options.index], err);
		pool->threads += code == ERR_OK;
	}
	for (unsigned i = 0; i < pool->threads && code == ERR_OK; i++)
		code = worker_start(pool->workers[i], err);
	return code;
}

enum err_code pool_new(struct config *config, struct mem_budget *budget, struct forker *forker,
	struct pool **ret_pool, struct err *err)
{
	struct pool *pool = mem_new(sizeof *pool);
	struct sched_options options = {.max_in_flight = config->pool.max_in_flight,
		.queue_limit = config->pool.queue_limit,
		.queue_reserve = queue_reserve(config),
		.upstream_rule = rule_locked,
		.endpoint_rule = endpoint_rule_locked,
		.self = pool};
	enum err_code code;

	mutex_init(&pool->lock);
	pool->budget = budget;
	pool->shared.config = config_ref(config);
	pool->shared.keeper_due_us = CLOCK_NEVER;
	code = rules_new(config, &pool->shared.rules);
	if (code == ERR_OK)
		code = sched_new(&options, &pool->shared.sched);
	if (code != ERR_OK)
		err_set(err, code, "no memory for the pool");
	else
		code = start_workers(pool, config, forker, err);
	if (code != ERR_OK) {
		pool_destroy(pool);
		return code;
	}
	*ret_pool = pool;
	return ERR_OK;
}

void pool_destroy(struct pool *pool)
{
	if (!pool)
		return;
	if (pool->shared.sched) {
		pool_cancel_all(pool, POOL_DRAIN);
		mutex_lock(&pool->lock);
		pool->shared.closing = true;
		mutex_unlock(&pool->lock);
		carry_out(pool, &(struct wake_plan){UINT64_MAX});
	}
	for (unsigned i = 0; i < pool->threads; i++)
		worker_join(pool->workers[i]);
	for (unsigned i = 0; i < pool->threads; i++)
		worker_destroy(pool->workers[i]);
	sched_destroy(pool->shared.sched);
	rules_destroy(pool->shared.rules);
	rules_destroy(pool->shared.next_rules);
	config_unref(pool->shared.config);
	mutex_free(&pool->lock);
	mem_free(pool);
}

static struct rules *exchange_next_locked(struct pool *pool, struct rules *next)
	REQUIRES(pool->lock)
{
	struct rules *old = pool->shared.next_rules;

	pool->shared.next_rules = next;
	return old;
}

enum err_code pool_prepare(struct pool *pool, struct config *config)
{
	struct rules *rules, *unused;

	if (rules_new(config, &rules) != ERR_OK)
		return ERR_NOMEM;
	mutex_lock(&pool->lock);
	unused = exchange_next_locked(pool, rules);
	mutex_unlock(&pool->lock);
	rules_destroy(unused);
	return ERR_OK;
}

struct swap { /* what goes, after unlocking */
	struct config *config;
	struct rules *rules;
};

static struct swap swap_locked(struct pool *pool, struct config *config) REQUIRES(pool->lock)
{
	struct swap old = {pool->shared.config, pool->shared.rules};

	pool->shared.config = config_ref(config);
	pool->shared.rules = exchange_next_locked(pool, NULL);
	rules_carry_over(pool->shared.rules, old.rules);
	sched_set_bounds(pool->shared.sched, config->pool.max_in_flight, config->pool.queue_limit,
		clock_us());
	sched_set_reserve(pool->shared.sched, queue_reserve(config));
	return old;
}

void pool_configure(struct pool *pool, struct config *config)
{
	struct swap old;

	mutex_lock(&pool->lock);
	old = swap_locked(pool, config);
	mutex_unlock(&pool->lock);
	rules_destroy(old.rules);
	config_unref(old.config);
	carry_out(pool, &(struct wake_plan){UINT64_MAX});
}

static struct pool *pool_of(const struct pool_group *group)
{
	return sched_group_self(group);
}

static enum err_code new_group_locked(struct pool *pool, const struct pool_group_options *options,
	struct pool_group **ret_group, struct wake_plan *plan) REQUIRES(pool->lock)
{
	enum err_code code = sched_group_new(pool->shared.sched, options, clock_us(), ret_group);

	if (code == ERR_OK)
		plan_locked(pool, pool->threads, plan);
	return code;
}

enum err_code pool_group_new(struct pool *pool, const struct pool_group_options *options,
	struct pool_group **ret_group, struct err *err)
{
	struct wake_plan plan = {0};
	enum err_code code;

	mutex_lock(&pool->lock);
	code = new_group_locked(pool, options, ret_group, &plan);
	mutex_unlock(&pool->lock);
	carry_out(pool, &plan);
	return code == ERR_OK ? ERR_OK : err_set(err, code, "no memory for another batch");
}

static enum err_code submit_locked(struct pool *pool, struct pool_group *group,
	struct call *const *calls, size_t count, struct wake_plan *plan) REQUIRES(pool->lock)
{
	enum err_code code;

	if (pool->shared.closing)
		return ERR_CLOSING;
	code = sched_submit(pool->shared.sched, group, calls, count, clock_us());
	plan_locked(pool, pool->threads, plan);
	return code;
}

enum err_code pool_submit(
	struct pool_group *group, struct call *const *calls, size_t count, struct err *err)
{
	struct pool *pool = pool_of(group);
	struct wake_plan plan = {0};
	enum err_code code;

	for (size_t i = 0; i < count; i++)
		calls[i]->budget = pool->budget;
	mutex_lock(&pool->lock);
	code = submit_locked(pool, group, calls, count, &plan);
	mutex_unlock(&pool->lock);
	carry_out(pool, &plan);
	switch (code) {
	case ERR_OK:
		return ERR_OK;
	case ERR_BUSY:
		return err_set(err, code, "the queue has no room for %zu more calls", count);
	case ERR_CLOSING:
		return err_set(err, code, "the server is shutting down");
	default:
		return err_set(err, code, "no memory to queue %zu calls", count);
	}
}

static void window_locked(struct pool *pool, struct pool_group *group, uint64_t end,
	struct wake_plan *plan) REQUIRES(pool->lock)
{
	sched_window(pool->shared.sched, group, end);
	plan_locked(pool, pool->threads, plan);
}

void pool_group_window(struct pool_group *group, uint64_t end)
{
	struct pool *pool = pool_of(group);
	struct wake_plan plan = {0};

	mutex_lock(&pool->lock);
	window_locked(pool, group, end, &plan);
	mutex_unlock(&pool->lock);
	carry_out(pool, &plan);
}

/* `group` NULL: all of them. */
static void cancel_locked(struct pool *pool, struct pool_group *group, enum pool_cancel why,
	struct wake_plan *plan) REQUIRES(pool->lock)
{
	if (group)
		sched_cancel(pool->shared.sched, group, why);
	else
		sched_cancel_all(pool->shared.sched, why);
	pool->shared.cancels++;
	plan_locked(pool, pool->threads, plan);
	plan->workers = UINT64_MAX; /* any of them may have calls on the wire */
}

static void cancel(struct pool *pool, struct pool_group *group, enum pool_cancel why)
{
	struct wake_plan plan = {0};

	mutex_lock(&pool->lock);
	cancel_locked(pool, group, why, &plan);
	mutex_unlock(&pool->lock);
	carry_out(pool, &plan);
}

void pool_group_cancel(struct pool_group *group, enum pool_cancel why)
{
	cancel(pool_of(group), group, why);
}

void pool_cancel_all(struct pool *pool, enum pool_cancel why)
{
	cancel(pool, NULL, why);
}

static void close_locked(struct pool *pool, struct pool_group *group) REQUIRES(pool->lock)
{
	sched_group_close(pool->shared.sched, group);
}

void pool_group_close(struct pool_group *group)
{
	struct pool *pool = pool_of(group);

	mutex_lock(&pool->lock);
	close_locked(pool, group);
	mutex_unlock(&pool->lock);
}
