/* helper_turns.c - questions that wait for a process: askers take turns, each has its questions in
 * order. */
#include "common/mem.h"
#include "pool/helper_internal.h"

static bool is_of(const struct hash_node *node, const void *asker)
{
	return LIST_OF(node, const struct helper_line, node)->asker == asker;
}

bool helper_turns_join(struct helper_set *set, struct helper_request *request, const void *asker)
{
	uint64_t key = hash_bytes(&set->lines, &asker, sizeof asker);
	struct hash_node *found = hash_find(&set->lines, key, is_of, asker);
	struct helper_line *line =
		found ? LIST_OF(found, struct helper_line, node) : mem_try(sizeof *line);

	if (!line)
		return false;
	if (!found) {
		line->asker = asker;
		list_init(&line->turn);
		list_init(&line->requests);
		hash_insert(&set->lines, &line->node, key);
	}
	line->refs++;
	request->line = line;
	return true;
}

void helper_turns_wait(struct helper_set *set, struct helper_request *request, bool first)
{
	struct helper_line *line = request->line;

	if (first)
		list_push_front(&line->requests, &request->link);
	else
		list_push_back(&line->requests, &request->link);
	if (!list_linked(&line->turn))
		list_push_back(&set->turns, &line->turn);
}

struct helper_request *helper_turns_next(struct helper_set *set)
{
	struct list_node *turn = list_pop(&set->turns), *node;
	struct helper_line *line;

	if (!turn)
		return NULL;
	line = LIST_OF(turn, struct helper_line, turn);
	node = list_pop(&line->requests);
	REQUIRE(node);
	if (!list_empty(&line->requests))
		list_push_back(&set->turns, &line->turn);
	return LIST_OF(node, struct helper_request, link);
}

void helper_turns_leave(struct helper_set *set, struct helper_request *request)
{
	struct helper_line *line = request->line;

	list_remove(&request->link);
	if (list_empty(&line->requests))
		list_remove(&line->turn);
	if (--line->refs > 0)
		return;
	hash_remove(&set->lines, &line->node);
	mem_free(line);
}
