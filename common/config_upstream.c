/* config_upstream.c - upstreams: rules by host, and which of them holds for one. */
#include "common/config_upstream.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "common/config_kept.h"
#include "common/config_list.h"
#include "common/config_read.h"
#include "common/config_value.h"
#include "common/config_wire.h"
#include "common/mem.h"

static const char scope[] = "upstreams[].", breaker_scope[] = "upstreams[].breaker.";

void config_upstream_free(struct config *config)
{
	for (size_t i = 0; i < config->upstream_count; i++) {
		config_wire_free(&config->upstreams[i]);
		config_kept_clear(scope, &config->upstreams[i]);
	}
	mem_free(config->upstreams);
	config->upstreams = NULL;
	config->upstream_count = 0;
}

/* The next one, with its defaults; NULL without memory. */
static struct config_upstream *add_upstream(struct config_loading *loading)
{
	struct config *config = loading->config;
	struct config_upstream *grown =
		config_list_grow(loading, config->upstreams, config->upstream_count, sizeof *grown);

	if (!grown)
		return NULL;
	config->upstreams = grown;
	grown += config->upstream_count++;
	config_kept_defaults(loading, scope, grown);
	return grown;
}

/* ---- patterns ---- */

/* Of a pattern: what stands before its port, and the port; "" where it names none. */
static struct span host_of(const char *match, const char **ret_port)
{
	const char *close = strrchr(match, ']'), *colon = strchr(close ? close : match, ':');

	*ret_port = colon ? colon + 1 : "";
	return (struct span){match, colon ? (size_t)(colon - match) : strlen(match)};
}

/* Host names as patterns have them: labels of letters, digits, - and _. */
static bool is_host(const char *host, size_t len)
{
	size_t label = 0;

	if (len == 0 || len > 253)
		return false;
	for (size_t i = 0; i <= len; i++) {
		if (i == len || host[i] == '.') {
			if (label == 0 || label > 63)
				return false;
			label = 0;
			continue;
		}
		if (!isalnum((unsigned char)host[i]) && host[i] != '-' && host[i] != '_')
			return false;
		label++;
	}
	return true;
}

/* The address in brackets, without them; false where there is none. */
static bool read_bracketed(const char *text, size_t len, struct in6_addr *ret_address)
{
	char inside[INET6_ADDRSTRLEN];

	if (len < 4 || text[0] != '[' || text[len - 1] != ']' || len - 2 >= sizeof inside)
		return false;
	memcpy(inside, text + 1, len - 2);
	inside[len - 2] = '\0';
	return inet_pton(AF_INET6, inside, ret_address) == 1;
}

static bool is_pattern(const char *match)
{
	const char *port;
	struct span host = host_of(match, &port);
	struct in6_addr address;
	uint16_t number;

	if (match[host.len] && !config_value_port(port, &number))
		return false;
	if (host.len == 1 && *match == '*')
		return true;
	if (host.len > 2 && match[0] == '*' && match[1] == '.')
		return is_host(match + 2, host.len - 2);
	return read_bracketed(match, host.len, &address) || is_host(match, host.len);
}

/* Whatever `match` fits, `before` does. */
static bool covers(const char *before, const char *match)
{
	const char *before_port, *port;
	struct span wide = host_of(before, &before_port), host = host_of(match, &port);
	size_t suffix = wide.len > 0 ? wide.len - 1 : 0; /* ".example.com" of "*.example.com" */

	if (*before_port && strcmp(before_port, port) != 0)
		return false;
	if (wide.len == host.len && memcmp(wide.ptr, host.ptr, host.len) == 0)
		return true;
	return wide.ptr[0] == '*' && host.len > suffix &&
	       memcmp(host.ptr + host.len - suffix, wide.ptr + 1, suffix) == 0;
}

static bool is_address(struct span bracketed, const char *host)
{
	struct in6_addr a, b;

	return read_bracketed(bracketed.ptr, bracketed.len, &a) &&
	       inet_pton(AF_INET6, host, &b) == 1 && memcmp(&a, &b, sizeof a) == 0;
}

static bool fits(const char *match, const char *host, uint16_t port)
{
	const char *digits;
	struct span wanted = host_of(match, &digits);
	size_t len = strlen(host), suffix = wanted.len - 1; /* ".example.com" of "*.example.com" */
	uint16_t wanted_port;

	if (config_value_port(digits, &wanted_port) && wanted_port != port)
		return false;
	if (match[0] == '[')
		return is_address(wanted, host);
	if (match[0] != '*')
		return wanted.len == len && strncasecmp(match, host, len) == 0;
	/* whatever ends so, and has something in front */
	return suffix == 0 ||
	       (len > suffix && strncasecmp(host + len - suffix, match + 1, suffix) == 0);
}

const struct config_upstream *config_upstream_of(
	const struct config *config, const char *host, uint16_t port)
{
	size_t last = config->upstream_count - 1; /* it is "*" */

	for (size_t i = 0; i < last; i++)
		if (fits(config->upstreams[i].match, host, port))
			return &config->upstreams[i];
	return &config->upstreams[last];
}

/* ---- reading ---- */

static void check_match(
	struct config_loading *loading, struct config_place place, const char *key, char *match)
{
	char quoted[CONFIG_QUOTE_SIZE];

	for (char *c = match; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	config_fault_quote(match, quoted);
	if (!is_pattern(match)) {
		config_fault(loading, place, key,
			"%s is no pattern; write a host, *.suffix or *, each with or without "
			":port, IPv6 as [::1]",
			quoted);
		return;
	}
	for (size_t i = 0; i + 1 < loading->config->upstream_count; i++) {
		const char *before = loading->config->upstreams[i].match;
		char first[CONFIG_QUOTE_SIZE];

		if (before && strcmp(before, match) == 0)
			config_fault(loading, place, key,
				"%s stands there twice; the first is taken", quoted);
		else if (before && covers(before, match))
			config_fault(loading, place, key,
				"%s is never reached: %s stands before it", quoted,
				config_fault_quote(before, first));
	}
}

static void read_upstream(
	struct config_loading *loading, const struct config_node *node, const char *shown)
{
	struct config_place place = config_fault_in_file(node->line);
	size_t faults_before = loading->fault_count;
	struct config_upstream *upstream;
	char prefix[CONFIG_KEY_SIZE], match[CONFIG_KEY_SIZE];

	config_fault_key(prefix, sizeof prefix, "%s.", shown);
	config_fault_key(match, sizeof match, "%s.match", shown);
	if (!config_read_is_map(loading, node, shown))
		return;
	upstream = add_upstream(loading);
	if (!upstream)
		return;
	config_read_map(loading, node, scope, prefix, upstream);
	if (upstream->match)
		check_match(loading, config_node_place(node, "match"), match, upstream->match);
	else if (loading->fault_count == faults_before)
		config_fault(loading, place, match, "is missing");
	config_wire_finish(loading, node, shown, upstream);
}

void config_upstream_read(struct config_loading *loading, const struct config_node *list,
	const struct setting *setting, const char *key)
{
	config_list_read(loading, list, setting, key, read_upstream);
}

void config_upstream_read_breaker(struct config_loading *loading, const struct config_node *node,
	const char *key, struct config_upstream *ret_upstream)
{
	struct config_place place = config_fault_in_file(node->line);
	char prefix[CONFIG_KEY_SIZE];

	config_fault_key(prefix, sizeof prefix, "%s.", key);
	if (node->kind == CONFIG_SCALAR && strcmp(node->text, "off") == 0)
		return;
	if (node->kind != CONFIG_MAP) {
		config_fault(loading, place, key,
			"must be off or a mapping, such as {failures: 5, open: 30s, max_open: 5m}");
		return;
	}
	config_kept_defaults(loading, breaker_scope, ret_upstream);
	config_read_map(loading, node, breaker_scope, prefix, ret_upstream);
	if (ret_upstream->breaker.open_ms > ret_upstream->breaker.max_open_ms)
		config_fault(loading, place, key,
			"open is longer than max_open, which is %llus unless it is given",
			(unsigned long long)ret_upstream->breaker.max_open_ms / 1000);
}

void config_upstream_add_last(struct config_loading *loading)
{
	struct config_upstream *last;

	for (size_t i = 0; i < loading->config->upstream_count; i++)
		if (loading->config->upstreams[i].match &&
			strcmp(loading->config->upstreams[i].match, "*") == 0)
			return;
	last = add_upstream(loading);
	if (!last)
		return;
	loading->config->upstream_implied = true;
	/* A host that sends HTTP/2 frames without pause holds its worker (libcurl reads on until
	 * there is nothing to read): only hosts that the operator wrote a rule for may. */
	last->http2 = CONFIG_HTTP2_OFF;
	last->match = mem_copy("*", 1);
	if (!last->match)
		config_fault_no_memory(loading);
}
