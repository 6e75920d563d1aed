/* config_check.c - what holds between settings: who may come in, limits that fit each other. */
#include "common/config_check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "common/config_value.h"
#include "common/loopback.h"

enum { MEMORY_LEAST = 64 * 1024 };

static bool is_default(const struct config_loading *loading, const char *path)
{
	return config_fault_origin(loading, path).kind == CONFIG_FROM_DEFAULT;
}

static void lower_default(
	struct config_loading *loading, const char *path, size_t *value, size_t most)
{
	if (*value > most && is_default(loading, path))
		*value = most;
}

void config_check_fit(struct config_loading *loading, size_t machine_memory)
{
	struct config *config = loading->config;
	size_t half = machine_memory / 2;

	if (machine_memory)
		lower_default(loading, "limits.memory", &config->limits.memory,
			half > MEMORY_LEAST ? half : MEMORY_LEAST);
	lower_default(loading, "limits.max_body", &config->limits.max_body, config->limits.memory);
	lower_default(loading, "limits.max_batch_response", &config->limits.max_batch_response,
		config->limits.memory);
	lower_default(loading, "limits.max_response", &config->limits.max_response,
		config->limits.max_batch_response);
}

static bool is_address(const char *host)
{
	struct in6_addr v6;
	struct in_addr v4;

	return inet_pton(AF_INET, host, &v4) == 1 || inet_pton(AF_INET6, host, &v6) == 1;
}

/* An address, or a name that cannot be taken for one. */
static bool is_host(const char *host)
{
	bool letter = false;

	if (is_address(host))
		return true;
	for (const char *c = host; *c; c++) {
		if (!isalnum((unsigned char)*c) && *c != '-' && *c != '.' && *c != '_')
			return false;
		letter = letter || isalpha((unsigned char)*c);
	}
	return letter && strncasecmp(host, "0x", 2) != 0 && *host != '.' && *host != '-';
}

static void check_host(struct config_loading *loading)
{
	const struct config *config = loading->config;
	struct config_place place = config_fault_origin(loading, "server.host");
	const char *host = config->server.host;
	char quoted[CONFIG_QUOTE_SIZE];

	config_fault_quote(host, quoted);
	if (!is_host(host)) {
		config_fault(loading, place, "server.host",
			"%s is no address and no name, such as 0.0.0.0, :: or localhost", quoted);
		return;
	}
	if (loading->address_only || loopback_is(host) || config->auth.key_count > 0 ||
		config->auth.allow_anonymous)
		return;
	config_fault(loading, place, "server.host",
		"%s %s, and there are no keys: make one with `batchgate key` and put it "
		"under auth.keys (or into BATCHGATE_AUTH_KEYS), or say auth.allow_anonymous: true "
		"to let everybody in",
		quoted,
		is_address(host)
			? "can be reached from other machines"
			: "is a name, which may be an address that other machines reach (write "
			  "127.0.0.1 for this machine alone)");
}

static void check_at_most(struct config_loading *loading, const char *path, size_t value,
	const char *other_path, size_t other)
{
	struct buf text;

	if (value <= other)
		return;
	buf_init(&text, 256);
	config_value_write(SETTING_SIZE, value, &text);
	buf_adds(&text, " is more than ");
	buf_adds(&text, other_path);
	buf_adds(&text, ", ");
	config_value_write(SETTING_SIZE, other, &text);
	config_fault(loading, config_fault_origin(loading, path), path, "%s",
		text.ptr ? text.ptr : "too large");
	buf_free(&text);
}

static void check_limits(struct config_loading *loading)
{
	const struct config *config = loading->config;

	check_at_most(loading, "limits.max_body", config->limits.max_body, "limits.memory",
		config->limits.memory);
	check_at_most(loading, "limits.max_batch_response", config->limits.max_batch_response,
		"limits.memory", config->limits.memory);
	check_at_most(loading, "limits.max_response", config->limits.max_response,
		"limits.max_batch_response", config->limits.max_batch_response);
}

/* "*", or scheme://host[:port] and nothing behind it: what a browser sends as Origin. */
static bool is_origin(const char *text)
{
	const char *host = strncmp(text, "https://", 8) == 0  ? text + 8
			   : strncmp(text, "http://", 7) == 0 ? text + 7
							      : NULL;

	if (strcmp(text, "*") == 0)
		return true;
	if (!host || !*host)
		return false;
	return !host[strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-._:[]")];
}

static void check_origins(struct config_loading *loading)
{
	const struct config_strings *origins = &loading->config->server.cors_origins;
	struct config_place place = config_fault_origin(loading, "server.cors_origins");

	for (size_t i = 0; i < origins->count; i++) {
		char quoted[CONFIG_QUOTE_SIZE], key[CONFIG_KEY_SIZE];

		if (is_origin(origins->items[i]))
			continue;
		config_fault_key(key, sizeof key, "server.cors_origins[%zu]", i);
		config_fault(loading, place, key,
			"%s is no origin; write *, or https://host[:port] in lower case and "
			"without a path",
			config_fault_quote(origins->items[i], quoted));
	}
}

void config_check(struct config_loading *loading)
{
	check_host(loading);
	if (loading->address_only)
		return; /* only half of what belongs together was read */
	check_limits(loading);
	check_origins(loading);
}
