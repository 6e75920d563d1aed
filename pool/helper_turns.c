/* helper_turns.c - questions that wait for a process: callers take turns, then each caller's
 * askers; an asker has its questions in order. */
#include "common/mem.h"
#include "pool/helper_internal.h"

struct line_key {
	const struct helper_line *up;
	const void *who;
};

static bool is_of(const struct hash_node *node, const void *what)
{
	const struct helper_line *line = LIST_OF(node, const struct helper_line, node);
	const struct line_key *key = what;

	return line->up == key->up && line->who == key->who;
}

/* A reference to the line of `who` within `up`; NULL without memory. */
static struct helper_line *get(struct helper_set *set, struct helper_line *up, const void *who)
{
	struct line_key what = {up, who};
	uint64_t key = hash_bytes(&set->lines, &what, sizeof what);
	struct hash_node *found = hash_find(&set->lines, key, is_of, &what);
	struct helper_line *line =
		found ? LIST_OF(found, struct helper_line, node) : mem_try(sizeof *line);

	if (!line)
		return NULL;
	if (!found) {
		line->up = up;
		line->who = who;
		list_init(&line->turn);
		list_init(&line->waiting);
		hash_insert(&set->lines, &line->node, key);
	}
	line->refs++;
	return line;
}

static void put(struct helper_set *set, struct helper_line *line)
{
	if (--line->refs > 0)
		return;
	hash_remove(&set->lines, &line->node);
	mem_free(line);
}

bool helper_turns_join(struct helper_set *set, struct helper_request *request, const void *caller,
	const void *asker)
{
	struct helper_line *up = get(set, NULL, caller);

	request->line = up ? get(set, up, asker) : NULL;
	if (up && !request->line)
		put(set, up);
	return request->line;
}

static void enter(struct list_node *list, struct list_node *node, bool first)
{
	if (first) {
		list_remove(node);
		list_push_front(list, node);
	} else if (!list_linked(node)) {
		list_push_back(list, node);
	}
}

void helper_turns_wait(struct helper_set *set, struct helper_request *request, bool first)
{
	struct helper_line *line = request->line, *up = line->up;

	enter(&line->waiting, &request->link, first);
	enter(&up->waiting, &line->turn, first);
	enter(&set->turns, &up->turn, first);
}

struct helper_request *helper_turns_next(struct helper_set *set)
{
	struct list_node *turn = list_pop(&set->turns), *node;
	struct helper_line *line, *up;

	if (!turn)
		return NULL;
	up = LIST_OF(turn, struct helper_line, turn);
	turn = list_pop(&up->waiting);
	REQUIRE(turn);
	line = LIST_OF(turn, struct helper_line, turn);
	node = list_pop(&line->waiting);
	REQUIRE(node);
	if (!list_empty(&line->waiting))
		list_push_back(&up->waiting, &line->turn);
	if (!list_empty(&up->waiting))
		list_push_back(&set->turns, &up->turn);
	return LIST_OF(node, struct helper_request, link);
}

void helper_turns_leave(struct helper_set *set, struct helper_request *request)
{
	struct helper_line *line = request->line, *up = line->up;

	list_remove(&request->link);
	if (list_empty(&line->waiting))
		list_remove(&line->turn);
	if (list_empty(&up->waiting))
		list_remove(&up->turn);
	put(set, line);
	put(set, up);
}
