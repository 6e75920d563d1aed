/* query.c - `query` objects: read, percent-encoded, merged over the defaults name by name. */
#include "batch/query.h"

#include "batch/scan.h"
#include "common/mem.h"
#include "pool/url.h"

enum { QUERY_TEXT_MAX = 65536, QUERY_NAMES_MAX = 4096 };

static const struct span none = {NULL, 0};

void query_init(struct query *query)
{
	*query = (struct query){0};
	buf_init(&query->text, URL_MAX_BYTES);
	buf_init(&query->names_text, QUERY_TEXT_MAX);
}

void query_free(struct query *query)
{
	mem_free(query->pairs);
	buf_free(&query->text);
	buf_free(&query->names_text);
	names_free(&query->names);
	query_init(query);
}

void query_clear(struct query *query)
{
	query->count = 0;
	buf_clear(&query->text);
	buf_clear(&query->names_text);
	names_clear(&query->names);
}

static enum err_code add_pair(struct query *query, struct query_pair pair)
{
	if (query->count == query->capacity) {
		size_t capacity = query->capacity ? query->capacity * 2 : 8;
		struct query_pair *pairs = mem_resize(query->pairs, capacity * sizeof *pairs);

		if (!pairs)
			return ERR_NOMEM;
		query->pairs = pairs;
		query->capacity = capacity;
	}
	query->pairs[query->count++] = pair;
	return ERR_OK;
}

/* Adds "name=value"; ERR_INVALID where the value is none for a query. */
static enum err_code add_value(struct query *query, struct span name, struct span value)
{
	enum scan_type type = scan_type(value);
	struct buf decoded;
	enum err_code code;

	if (type == SCAN_NULL || type == SCAN_ARRAY || type == SCAN_OBJECT)
		return ERR_INVALID;
	code = url_encode(&query->text, name.ptr, name.len);
	if (code == ERR_OK)
		code = buf_add_char(&query->text, '=');
	if (code != ERR_OK)
		return code;
	if (type != SCAN_STRING)
		return url_encode(&query->text, value.ptr, value.len);
	buf_init(&decoded, value.len);
	code = scan_string(value, &decoded);
	if (code == ERR_OK && decoded.len)
		code = url_encode(&query->text, decoded.ptr, decoded.len);
	buf_free(&decoded);
	return code;
}

static enum err_code add_list(struct query *query, struct span name, struct span list)
{
	struct scan_walk walk;
	struct scan_member element;
	enum err_code code = ERR_OK;
	bool first = true;

	scan_begin(&walk, list);
	while (code == ERR_OK && scan_next(&walk, &element)) {
		if (!first)
			code = buf_add_char(&query->text, '&');
		if (code == ERR_OK)
			code = add_value(query, name, element.value);
		first = false;
	}
	return code;
}

static enum err_code add_member(
	struct query *query, const struct scan_member *member, struct fault *fault)
{
	struct query_pair pair = {query->text.len, 0, query->names_text.len, 0};
	enum err_code code = scan_string(member->name, &query->names_text);
	struct span name;

	if (code != ERR_OK)
		return ERR_NOMEM;
	pair.name_len = query->names_text.len - pair.name_at;
	name = (struct span){
		pair.name_len ? query->names_text.ptr + pair.name_at : "", pair.name_len};
	code = scan_type(member->value) == SCAN_ARRAY ? add_list(query, name, member->value)
						      : add_value(query, name, member->value);
	if (code == ERR_INVALID)
		return fault_add(fault, REASON_FIELD_INVALID, "/query", member->name,
			"a `query` value must be a string, a number, true, false or a list of "
			"them");
	if (code == ERR_LIMIT)
		return fault_add(fault, REASON_URL_INVALID, "/query", none,
			"`query` makes the url longer than %d bytes", URL_MAX_BYTES);
	if (code != ERR_OK)
		return ERR_NOMEM;
	pair.len = query->text.len - pair.at;
	return add_pair(query, pair);
}

static enum err_code index_names(struct query *query, struct fault *fault)
{
	size_t twice;

	for (size_t i = 0; i < query->count; i++) {
		const struct query_pair *pair = &query->pairs[i];
		struct span name = {pair->name_len ? query->names_text.ptr + pair->name_at : "",
			pair->name_len};

		if (names_add(&query->names, (struct name){name, i, 0}) != ERR_OK)
			return ERR_NOMEM;
	}
	names_sort(&query->names);
	if (names_repeated(&query->names, &twice, 1) > 0)
		return fault_add(fault, REASON_FIELD_INVALID, "/query", none,
			"`query` has a name more than once");
	return ERR_OK;
}

enum err_code query_read(struct span value, struct query *query, struct fault *fault)
{
	struct scan_walk walk;
	struct scan_member member;

	if (scan_type(value) != SCAN_OBJECT)
		return fault_add(
			fault, REASON_FIELD_INVALID, "/query", none, "`query` must be an object");
	if (value.len > QUERY_TEXT_MAX || scan_count(value, QUERY_NAMES_MAX) > QUERY_NAMES_MAX)
		return fault_add(fault, REASON_URL_INVALID, "/query", none,
			"`query` makes the url longer than %d bytes", URL_MAX_BYTES);
	scan_begin(&walk, value);
	while (scan_next(&walk, &member)) {
		enum err_code code = add_member(query, &member, fault);

		if (code != ERR_OK)
			return code;
	}
	return index_names(query, fault);
}

static enum err_code join(struct buf *out, const struct query *query, const struct query_pair *pair)
{
	if (pair->len == 0)
		return ERR_OK;
	if (out->len)
		buf_add_char(out, '&');
	return buf_add(out, query->text.ptr + pair->at, pair->len);
}

enum err_code query_merge(const struct query *defaults, const struct query *own, struct buf *out)
{
	enum err_code code = ERR_OK;

	for (size_t i = 0; code == ERR_OK && i < defaults->count; i++) {
		const struct query_pair *pair = &defaults->pairs[i];
		struct span name = {pair->name_len ? defaults->names_text.ptr + pair->name_at : "",
			pair->name_len};

		if (!own || !names_has(&own->names, name, 0))
			code = join(out, defaults, pair);
	}
	for (size_t i = 0; own && code == ERR_OK && i < own->count; i++)
		code = join(out, own, &own->pairs[i]);
	return code;
}
