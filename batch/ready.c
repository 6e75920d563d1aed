/* ready.c - of a streamed batch: which results wait to be read, and how far the batch may run ahead
 * of its reader.
 *
 * The lock is never held while the pool is called. So that two threads which move the window do not
 * overtake each other, one applies for all: `applying` is its token, `window` what it has to reach.
 */
#include "batch/ready.h"

void ready_init(struct batch *batch)
{
	mutex_init(&batch->ready.lock);
	batch->ready.shared.window = batch->ready.shared.applied = UINT64_MAX;
}

void ready_free(struct batch *batch)
{
	mutex_free(&batch->ready.lock);
}

static bool apply_begin_locked(struct batch *batch) REQUIRES(batch->ready.lock)
{
	bool mine = !batch->ready.shared.applying &&
		    batch->ready.shared.window != batch->ready.shared.applied;

	batch->ready.shared.applying |= mine;
	return mine;
}

static uint64_t window_locked(struct batch *batch) REQUIRES(batch->ready.lock)
{
	return batch->ready.shared.window;
}

/* True: it has moved meanwhile. */
static bool apply_again_locked(struct batch *batch, uint64_t applied) REQUIRES(batch->ready.lock)
{
	batch->ready.shared.applied = applied;
	batch->ready.shared.applying = batch->ready.shared.window != applied;
	return batch->ready.shared.applying;
}

static void apply(struct batch *batch)
{
	bool again = true;

	while (again) {
		uint64_t window;

		mutex_lock(&batch->ready.lock);
		window = window_locked(batch);
		mutex_unlock(&batch->ready.lock);
		batch_window(batch, window);
		mutex_lock(&batch->ready.lock);
		again = apply_again_locked(batch, window);
		mutex_unlock(&batch->ready.lock);
	}
}

static size_t most_waiting(const struct batch *batch)
{
	size_t share = mem_left(batch->terms.env.budget) / READY_SHARE;

	return share < READY_BYTES_MAX ? share : READY_BYTES_MAX;
}

/* In steps, so that not every result moves it. */
static uint64_t wanted_locked(const struct batch *batch) REQUIRES(batch->ready.lock)
{
	size_t waiting = batch->ready.shared.waiting_bytes, next = batch->ready.shared.next;
	uint64_t window = batch->ready.shared.window, end = (uint64_t)next + READY_WINDOW;
	size_t most = most_waiting(batch);
	bool narrow = batch->terms.options.input_order ? window <= next + 1 : window == 0;

	if (batch->ready.shared.abandoned)
		return UINT64_MAX;
	if (waiting > most || (narrow && waiting > most / 2))
		return batch->terms.options.input_order ? next + 1 : 0;
	if (!batch->terms.options.input_order)
		return UINT64_MAX;
	return window > next && window <= end && end - window < READY_WINDOW / 4 ? window : end;
}

static bool move_locked(struct batch *batch) REQUIRES(batch->ready.lock)
{
	batch->ready.shared.window = wanted_locked(batch);
	return apply_begin_locked(batch);
}

/* Moves before there was a group have come to nothing. */
static bool open_locked(struct batch *batch) REQUIRES(batch->ready.lock)
{
	batch->ready.shared.applied = UINT64_MAX;
	return move_locked(batch);
}

void ready_open(struct batch *batch)
{
	bool moves;

	mutex_lock(&batch->ready.lock);
	moves = open_locked(batch);
	mutex_unlock(&batch->ready.lock);
	if (moves)
		apply(batch);
}

static void push_locked(struct batch *batch, size_t index) REQUIRES(batch->ready.lock)
{
	if (batch->ready.shared.count++ == 0)
		batch->ready.shared.first = (uint32_t)index;
	else
		batch->slots[batch->ready.shared.last].next_ready = (uint32_t)index;
	batch->ready.shared.last = (uint32_t)index;
}

/* False: nobody wants it. */
static bool add_locked(struct batch *batch, size_t index, bool *ret_moves)
	REQUIRES(batch->ready.lock)
{
	struct slot *slot = &batch->slots[index];

	*ret_moves = false;
	if (batch->ready.shared.abandoned)
		return false;
	slot->ready = true;
	push_locked(batch, index);
	batch->ready.shared.waiting_bytes += slot->bytes ? slot->len : 0;
	*ret_moves = move_locked(batch);
	return true;
}

void ready_add(struct batch *batch, size_t index)
{
	bool wanted, moves;

	mutex_lock(&batch->ready.lock);
	wanted = add_locked(batch, index, &moves);
	mutex_unlock(&batch->ready.lock);
	if (!wanted)
		batch_drop_result(batch, index);
	if (moves)
		apply(batch);
}

static void end_locked(struct batch *batch) REQUIRES(batch->ready.lock)
{
	batch->ready.shared.over = true;
}

void ready_end(struct batch *batch)
{
	mutex_lock(&batch->ready.lock);
	end_locked(batch);
	mutex_unlock(&batch->ready.lock);
}

/* In the order of items `first` and `last` are of no use, `count` is. */
static enum ready_state take_locked(struct batch *batch, size_t *ret_index)
	REQUIRES(batch->ready.lock)
{
	size_t index = batch->terms.options.input_order ? batch->ready.shared.next
							: batch->ready.shared.first;

	if (batch->ready.shared.count == 0 || !batch->slots[index].ready)
		return batch->ready.shared.over && batch->ready.shared.count == 0 ? READY_OVER
										  : READY_LATER;
	batch->slots[index].ready = false;
	batch->ready.shared.count--;
	batch->ready.shared.first = batch->slots[index].next_ready;
	*ret_index = index;
	return READY_RESULT;
}

enum ready_state ready_take(struct batch *batch, size_t *ret_index)
{
	enum ready_state state;

	mutex_lock(&batch->ready.lock);
	state = take_locked(batch, ret_index);
	mutex_unlock(&batch->ready.lock);
	return state;
}

static bool done_locked(struct batch *batch, size_t index) REQUIRES(batch->ready.lock)
{
	const struct slot *slot = &batch->slots[index];

	batch->ready.shared.waiting_bytes -= slot->bytes ? slot->len : 0;
	batch->ready.shared.next++;
	return move_locked(batch);
}

void ready_done(struct batch *batch, size_t index, bool keep)
{
	bool moves;

	mutex_lock(&batch->ready.lock);
	moves = done_locked(batch, index);
	mutex_unlock(&batch->ready.lock);
	if (!keep)
		batch_drop_result(batch, index);
	if (moves)
		apply(batch);
}

static bool abandon_locked(struct batch *batch) REQUIRES(batch->ready.lock)
{
	batch->ready.shared.abandoned = true;
	return move_locked(batch);
}

void ready_abandon(struct batch *batch)
{
	bool moves;

	mutex_lock(&batch->ready.lock);
	moves = abandon_locked(batch);
	mutex_unlock(&batch->ready.lock);
	/* Those that are ready are nobody else's; from here on workers drop their own. */
	for (size_t i = 0; i < batch->count; i++)
		if (batch->slots[i].ready)
			batch_drop_result(batch, i);
	if (moves)
		apply(batch);
}
