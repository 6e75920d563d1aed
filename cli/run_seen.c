/* run_seen.c - which items have a result already, and what their ids were: five bytes an item. */
#include "cli/run_seen.h"

#include "common/mem.h"

struct run_seen_chunk {
	uint32_t hashes[RUN_SEEN_CHUNK]; /* 0: no result */
	uint8_t failed[RUN_SEEN_CHUNK / 8], lost[RUN_SEEN_CHUNK / 8];
};

void run_seen_free(struct run_seen *seen)
{
	for (size_t i = 0; i < RUN_SEEN_MAX / RUN_SEEN_CHUNK; i++)
		mem_free(seen->chunks[i]);
	*seen = (struct run_seen){0};
}

/* FNV-1a; never 0. Nobody gains by a collision: it only hides that an input was exchanged. */
static uint32_t hash_of(struct span id)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < id.len; i++)
		hash = (hash ^ (unsigned char)id.ptr[i]) * 16777619u;
	return hash ? hash : 1;
}

static struct run_seen_chunk *chunk_of(const struct run_seen *seen, size_t index)
{
	return index < RUN_SEEN_MAX ? seen->chunks[index / RUN_SEEN_CHUNK] : NULL;
}

static struct run_seen_chunk *make_chunk(struct run_seen *seen, size_t index)
{
	struct run_seen_chunk **place = &seen->chunks[index / RUN_SEEN_CHUNK];

	if (!*place)
		*place = mem_try(sizeof **place);
	return *place;
}

static bool bit(const uint8_t *bits, size_t index)
{
	size_t at = index % RUN_SEEN_CHUNK;

	return bits[at / 8] >> (at % 8) & 1;
}

static void set_bit(uint8_t *bits, size_t index, bool value)
{
	size_t at = index % RUN_SEEN_CHUNK;
	uint8_t mask = (uint8_t)(1u << (at % 8));

	bits[at / 8] = (uint8_t)(value ? bits[at / 8] | mask : bits[at / 8] & ~mask);
}

enum err_code run_seen_put(struct run_seen *seen, size_t index, struct span id, bool failed)
{
	struct run_seen_chunk *chunk;

	if (index >= RUN_SEEN_MAX)
		return ERR_LIMIT;
	chunk = make_chunk(seen, index);
	if (!chunk)
		return ERR_NOMEM;
	if (chunk->hashes[index % RUN_SEEN_CHUNK])
		return ERR_BUSY;
	chunk->hashes[index % RUN_SEEN_CHUNK] = hash_of(id);
	set_bit(chunk->failed, index, failed);
	seen->count++;
	seen->failed += failed;
	if (index >= seen->beyond)
		seen->beyond = index + 1;
	return ERR_OK;
}

bool run_seen_has(const struct run_seen *seen, size_t index)
{
	const struct run_seen_chunk *chunk = chunk_of(seen, index);

	return chunk && chunk->hashes[index % RUN_SEEN_CHUNK];
}

bool run_seen_failed(const struct run_seen *seen, size_t index)
{
	const struct run_seen_chunk *chunk = chunk_of(seen, index);

	return chunk && bit(chunk->failed, index);
}

bool run_seen_matches(const struct run_seen *seen, size_t index, struct span id)
{
	const struct run_seen_chunk *chunk = chunk_of(seen, index);

	return chunk && chunk->hashes[index % RUN_SEEN_CHUNK] == hash_of(id);
}

enum err_code run_seen_lose(struct run_seen *seen, size_t index)
{
	struct run_seen_chunk *chunk;

	if (index >= RUN_SEEN_MAX)
		return ERR_LIMIT;
	chunk = make_chunk(seen, index);
	if (!chunk)
		return ERR_NOMEM;
	seen->lost += !bit(chunk->lost, index);
	set_bit(chunk->lost, index, true);
	return ERR_OK;
}

bool run_seen_lost(const struct run_seen *seen, size_t index)
{
	const struct run_seen_chunk *chunk = chunk_of(seen, index);

	return chunk && bit(chunk->lost, index);
}

void run_seen_find(struct run_seen *seen, size_t index)
{
	struct run_seen_chunk *chunk = chunk_of(seen, index);

	if (!chunk || !bit(chunk->lost, index))
		return;
	set_bit(chunk->lost, index, false);
	seen->lost--;
}
