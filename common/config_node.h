/* config_node.h - a YAML document as a plain tree that knows its lines; the one place that asks
 * libyaml.
 *
 * Bounded: depth, entries of a mapping, nodes. Anchors, aliases and tags are refused, so that the
 * tree is never larger than the text. Duplicate keys are refused too. */
#ifndef COMMON_CONFIG_NODE_H
#define COMMON_CONFIG_NODE_H
#include <stdbool.h>
#include <stddef.h>

#include "common/config_fault.h"

enum { CONFIG_NODE_DEPTH_MAX = 24, CONFIG_NODE_ENTRIES_MAX = 1024, CONFIG_NODE_COUNT_MAX = 200000 };

enum config_node_kind { CONFIG_SCALAR, CONFIG_LIST, CONFIG_MAP };

struct config_node {
	enum config_node_kind kind;
	size_t line; /* 1-based; of the key in a mapping */
	bool plain;  /* a scalar without quotes */
	char *key;   /* in a mapping, else NULL */
	char *text;  /* of a scalar: terminated, no NUL within */
	/* Where the text's first line stands, and how many columns YAML took off each of its lines;
	 * the scalar's own line and 0 where its lines are not those of the file. */
	size_t text_line;
	unsigned indent;
	size_t count; /* of the children */
	struct config_node *first, *last, *next;
};

/* The document's tree; NULL for an empty one, and where a fault of syntax or of memory was noted
 * (config_fault.h): the other faults are noted too, and leave a tree. */
struct config_node *config_node_parse(struct config_loading *loading, const char *text, size_t len);
void config_node_free(struct config_node *node); /* NULL is fine; wipes the scalars */
const struct config_node *config_node_find(
	const struct config_node *map, const char *key); /* its entry; NULL: none, or no mapping */
/* Where the entry's member stands; the entry itself where it is missing. */
struct config_place config_node_place(const struct config_node *entry, const char *member);
bool config_node_is_null(const struct config_node *node); /* nothing, ~ or null, unquoted */
const char *config_node_library_version(void);            /* of libyaml; static; any thread */
#endif
