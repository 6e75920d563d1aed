/* fakeworld_books.h - the world's own books: what fakeworld.c notes of a call and holds against the
 * next. */
#ifndef TESTS_UNIT_POOL_FAKEWORLD_BOOKS_H
#define TESTS_UNIT_POOL_FAKEWORLD_BOOKS_H
#include "tests/unit/pool/fakeworld.h"

/* Its bucket begins with one token when the scheduler hears of it. */
void world_use(const struct fake_world *world, struct fake_origin *origin);

void world_take_token(struct fake_world *world, struct fake_bucket *bucket);

/* The attempt that runs, or ran last, is another one at the same place. */
bool world_is_retry(const struct fake_call *fake);

/* The call has just taken off: its upstream must allow that. */
void world_check_upstream(const struct fake_world *world, struct fake_call *fake);

/* The call has landed, and is still noted as flying to its upstream. */
void world_note_verdict(
	const struct fake_world *world, const struct fake_call *fake, enum verdict verdict);
void world_note_pause(
	const struct fake_world *world, const struct fake_call *fake, uint64_t pause_us);

/* What such an attempt says of its upstream. */
enum verdict world_verdict(const struct fake_step *step);
#endif
