/* config_node.c - a YAML document as a plain tree that knows its lines; the one place that asks
 * libyaml. */
#include "common/config_node.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <yaml.h>

#include "common/mem.h"

struct reader {
	struct config_loading *loading;
	yaml_parser_t parser;
	const char *text;
	size_t len, node_count;
	size_t at, at_line;         /* where line `at_line` (from 0) begins; only ever goes on */
	bool broken;                /* a fault after which nothing more can be read */
	char path[CONFIG_KEY_SIZE]; /* of the value being read, for messages */
};

static void stop_at(struct reader *reader, size_t line, const char *what)
{
	config_fault_line(reader->loading, "%s:%zu: YAML: %s", reader->loading->file, line, what);
	reader->broken = true;
	reader->loading->unread = true;
}

/* libyaml decodes ahead: its mark is not where the bad byte stands. */
static size_t line_of_byte(const struct reader *reader, size_t offset)
{
	size_t line = 1;

	for (size_t i = 0; i < offset && i < reader->len; i++)
		line += reader->text[i] == '\n';
	return line;
}

static bool is_alias(const yaml_parser_t *parser)
{
	return parser->context &&
	       (strstr(parser->context, "an alias") || strstr(parser->context, "an anchor"));
}

static void stop_at_error(struct reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	char what[256];

	if (parser->error == YAML_MEMORY_ERROR) {
		config_fault_no_memory(reader->loading);
		reader->broken = true;
		return;
	}
	if (parser->error == YAML_READER_ERROR) {
		snprintf(what, sizeof what, "%s (byte %zu)", parser->problem,
			parser->problem_offset + 1);
		stop_at(reader, line_of_byte(reader, parser->problem_offset), what);
		return;
	}
	snprintf(what, sizeof what, "%s%s%s (column %zu)%s",
		parser->problem ? parser->problem : "not valid", parser->context ? " " : "",
		parser->context ? parser->context : "", parser->problem_mark.column + 1,
		is_alias(parser) ? "; quote a value that begins with * or &: \"*\"" : "");
	stop_at(reader, parser->problem_mark.line + 1, what);
}

static bool next_event(struct reader *reader, yaml_event_t *ret_event)
{
	if (reader->broken)
		return false;
	if (yaml_parser_parse(&reader->parser, ret_event))
		return true;
	stop_at_error(reader);
	return false;
}

static void free_scalar(char *text)
{
	if (text)
		mem_wipe(text, strlen(text));
	mem_free(text);
}

void config_node_free(struct config_node *node)
{
	if (!node)
		return;
	for (struct config_node *child = node->first, *after; child; child = after) {
		after = child->next;
		config_node_free(child); /* as deep as CONFIG_NODE_DEPTH_MAX */
	}
	free_scalar(node->text);
	mem_free(node->key);
	mem_free(node);
}

static struct config_node *new_node(struct reader *reader, enum config_node_kind kind, size_t line)
{
	struct config_node *node;

	if (++reader->node_count > CONFIG_NODE_COUNT_MAX) {
		stop_at(reader, line, "too many values");
		return NULL;
	}
	node = mem_try(sizeof *node);
	if (!node) {
		config_fault_no_memory(reader->loading);
		reader->broken = true;
		return NULL;
	}
	node->kind = kind;
	node->line = line;
	return node;
}

static void refuse_extras(
	struct reader *reader, size_t line, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		stop_at(reader, line,
			"anchors (&name) and aliases (*name) are not taken here; a value that "
			"begins with & or * needs quotes");
	else if (tag)
		stop_at(reader, line,
			"tags (!name) are not taken here; a value that begins with ! needs quotes");
}

static char *copy_scalar(struct reader *reader, const yaml_event_t *event)
{
	const char *value = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	char *text;

	if (memchr(value, '\0', len)) {
		stop_at(reader, event->start_mark.line + 1, "a NUL character");
		return NULL;
	}
	text = mem_copy(value, len);
	if (!text) {
		config_fault_no_memory(reader->loading);
		reader->broken = true;
	}
	return text;
}

/* The file's line, from 0; those asked for come in order. Empty past the end. */
static struct span line_of(struct reader *reader, size_t line)
{
	const char *at, *end;

	while (reader->at_line < line && reader->at < reader->len) {
		at = reader->text + reader->at;
		end = memchr(at, '\n', reader->len - reader->at);
		reader->at += end ? (size_t)(end - at) + 1 : reader->len - reader->at;
		reader->at_line++;
	}
	at = reader->text + reader->at;
	end = memchr(at, '\n', reader->len - reader->at);
	return (struct span){at, end ? (size_t)(end - at) : reader->len - reader->at};
}

/* A block whose lines are the file's, each but the blank ones with the same spaces taken off. The
 * first that is not blank tells how many; where it does not fit (odd line breaks, UTF-16) nothing
 * is told. */
static void place_block(struct reader *reader, size_t line, struct config_node *node)
{
	const char *text = node->text + strspn(node->text, "\n");
	size_t len = strcspn(text, "\n"), taken;
	struct span source;

	node->text_line = line + 1; /* counted from 1 */
	if (!len)
		return;
	source = line_of(reader, line + (size_t)(text - node->text));
	if (source.len && source.ptr[source.len - 1] == '\r')
		source.len--;
	taken = source.len - len;
	if (source.len >= len && taken <= 1024 && memcmp(source.ptr + taken, text, len) == 0 &&
		span_trim((struct span){source.ptr, taken}).len == 0)
		node->indent = (unsigned)taken;
}

static size_t count_chars(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += ((unsigned char)*text & 0xC0) != 0x80;
	return count;
}

static void place_text(struct reader *reader, const yaml_event_t *event, struct config_node *node)
{
	const yaml_mark_t *start = &event->start_mark, *end = &event->end_mark;
	yaml_scalar_style_t style = event->data.scalar.style;
	size_t quotes = style == YAML_PLAIN_SCALAR_STYLE ? 0 : 2;

	node->text_line = start->line + 1;
	if (style == YAML_LITERAL_SCALAR_STYLE)
		place_block(reader, start->line + 1, node);
	else if (style != YAML_FOLDED_SCALAR_STYLE && start->line == end->line &&
		 end->column - start->column == count_chars(node->text) + quotes)
		node->indent = (unsigned)(start->column + quotes / 2); /* nothing escaped in it */
}

static struct config_node *read_scalar(struct reader *reader, const yaml_event_t *event)
{
	struct config_node *node = new_node(reader, CONFIG_SCALAR, event->start_mark.line + 1);

	if (!node)
		return NULL;
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->text = copy_scalar(reader, event);
	if (node->text)
		place_text(reader, event, node);
	return node;
}

static void add_child(struct config_node *parent, struct config_node *child)
{
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	parent->count++;
}

static struct config_node *read_value(
	struct reader *reader, const yaml_event_t *event, size_t depth);

static struct config_node *read_list(struct reader *reader, const yaml_event_t *event, size_t depth)
{
	struct config_node *list = new_node(reader, CONFIG_LIST, event->start_mark.line + 1),
			   *child;
	yaml_event_t item;

	while (list && next_event(reader, &item)) {
		bool end = item.type == YAML_SEQUENCE_END_EVENT;
		size_t path_len = strlen(reader->path);

		snprintf(reader->path + path_len, sizeof reader->path - path_len, "[%zu]",
			list->count);
		child = end ? NULL : read_value(reader, &item, depth + 1);
		reader->path[path_len] = '\0';
		yaml_event_delete(&item);
		if (end)
			break;
		if (child)
			add_child(list, child);
	}
	return list;
}

const struct config_node *config_node_find(const struct config_node *map, const char *key)
{
	const struct config_node *child = map->kind == CONFIG_MAP ? map->first : NULL;

	while (child && strcmp(child->key, key) != 0)
		child = child->next;
	return child;
}

struct config_place config_node_place(const struct config_node *entry, const char *member)
{
	const struct config_node *node = config_node_find(entry, member);

	return config_fault_in_file(node ? node->line : entry->line);
}

/* Takes `child` and `key`. */
static void add_entry(struct reader *reader, struct config_node *map, struct config_node *child,
	char *key, size_t line)
{
	const struct config_node *before = config_node_find(map, key);

	child->key = key;
	child->line = line;
	if (before) {
		config_fault_line(reader->loading,
			"%s:%zu: %s: is given twice; the first is on line %zu",
			reader->loading->file, line, reader->path, before->line);
		config_node_free(child);
	} else if (map->count >= CONFIG_NODE_ENTRIES_MAX) {
		stop_at(reader, line, "too many entries in one mapping");
		config_node_free(child);
	} else {
		add_child(map, child);
	}
}

/* Appends a name from the file, cleaned; returns the length before. */
static size_t enter(struct reader *reader, const char *name)
{
	size_t len = strlen(reader->path);
	char quoted[CONFIG_QUOTE_SIZE];

	config_fault_quote(name, quoted);
	quoted[strlen(quoted) - 1] = '\0';
	snprintf(reader->path + len, sizeof reader->path - len, "%s%s", len ? "." : "", quoted + 1);
	return len;
}

static void read_entry(
	struct reader *reader, struct config_node *map, const yaml_event_t *name, size_t depth)
{
	size_t line = name->start_mark.line + 1, path_len;
	struct config_node *child = NULL;
	yaml_event_t value;
	char *key;

	if (name->type != YAML_SCALAR_EVENT) {
		stop_at(reader, line, "a key must be a word, not a list, a mapping or an alias");
		return;
	}
	refuse_extras(reader, line, name->data.scalar.anchor, name->data.scalar.tag);
	key = reader->broken ? NULL : copy_scalar(reader, name);
	if (!key)
		return;
	path_len = enter(reader, key);
	if (next_event(reader, &value)) {
		child = read_value(reader, &value, depth + 1);
		yaml_event_delete(&value);
	}
	if (child)
		add_entry(reader, map, child, key, line);
	else
		mem_free(key);
	reader->path[path_len] = '\0';
}

static struct config_node *read_map(struct reader *reader, const yaml_event_t *event, size_t depth)
{
	struct config_node *map = new_node(reader, CONFIG_MAP, event->start_mark.line + 1);
	yaml_event_t name;

	while (map && next_event(reader, &name)) {
		bool end = name.type == YAML_MAPPING_END_EVENT;

		if (!end)
			read_entry(reader, map, &name, depth);
		yaml_event_delete(&name);
		if (end)
			break;
	}
	return map;
}

static struct config_node *read_value(
	struct reader *reader, const yaml_event_t *event, size_t depth)
{
	size_t line = event->start_mark.line + 1;

	if (depth > CONFIG_NODE_DEPTH_MAX) {
		stop_at(reader, line, "nested too deep");
		return NULL;
	}
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		refuse_extras(reader, line, event->data.scalar.anchor, event->data.scalar.tag);
		return reader->broken ? NULL : read_scalar(reader, event);
	case YAML_SEQUENCE_START_EVENT:
		refuse_extras(reader, line, event->data.sequence_start.anchor,
			event->data.sequence_start.tag);
		return reader->broken ? NULL : read_list(reader, event, depth);
	case YAML_MAPPING_START_EVENT:
		refuse_extras(reader, line, event->data.mapping_start.anchor,
			event->data.mapping_start.tag);
		return reader->broken ? NULL : read_map(reader, event, depth);
	default:
		refuse_extras(reader, line, (const yaml_char_t *)"", NULL);
		return NULL;
	}
}

static struct config_node *read_stream(struct reader *reader)
{
	struct config_node *root = NULL;
	bool end = false, begun = false;
	yaml_event_t event;

	while (!end && next_event(reader, &event)) {
		size_t line = event.start_mark.line + 1;

		if (event.type == YAML_DOCUMENT_START_EVENT && begun)
			stop_at(reader, line, "a second document; there can be one");
		else if (event.type == YAML_DOCUMENT_START_EVENT)
			begun = true;
		else if (event.type == YAML_STREAM_END_EVENT)
			end = true;
		else if (event.type != YAML_STREAM_START_EVENT &&
			 event.type != YAML_DOCUMENT_END_EVENT)
			root = read_value(reader, &event, 1);
		yaml_event_delete(&event);
	}
	return root;
}

struct config_node *config_node_parse(struct config_loading *loading, const char *text, size_t len)
{
	struct reader reader = {.loading = loading, .text = text, .len = len};
	struct config_node *root;

	if (!yaml_parser_initialize(&reader.parser)) {
		config_fault_no_memory(loading);
		return NULL;
	}
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, len);
	root = read_stream(&reader);
	yaml_parser_delete(&reader.parser);
	if (!reader.broken)
		return root;
	config_node_free(root);
	return NULL;
}

bool config_node_is_null(const struct config_node *node)
{
	return node->kind == CONFIG_SCALAR && node->plain &&
	       (!*node->text || strcmp(node->text, "~") == 0 ||
		       strcasecmp(node->text, "null") == 0);
}

const char *config_node_library_version(void)
{
	return yaml_get_version_string();
}
