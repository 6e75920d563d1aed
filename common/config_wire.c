/* config_wire.c - how an upstream is reached: the files of its TLS, and its proxy. */
#include "common/config_wire.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "common/config_value.h"
#include "common/hex.h"
#include "common/mem.h"
#include "common/pem.h"

static void fault_file(struct config_loading *loading, const struct config_node *entry,
	const char *shown, const char *member, const char *file, const char *problem)
{
	char quoted[CONFIG_QUOTE_SIZE], key[CONFIG_KEY_SIZE];

	if (!problem)
		return;
	config_fault_key(key, sizeof key, "%s.%s", shown, member);
	config_fault(loading, config_node_place(entry, member), key, "%s %s",
		config_fault_quote(file, quoted), problem);
}

static bool is_set(const char *text)
{
	return text && *text;
}

static void check_files(struct config_loading *loading, const struct config_node *entry,
	const char *shown, const struct config_upstream *upstream)
{
	const char *cert = upstream->client_cert, *key = upstream->client_key;
	const char *problem;

	if (is_set(upstream->ca_file))
		fault_file(loading, entry, shown, "ca_file", upstream->ca_file,
			pem_check_certificate(upstream->ca_file));
	if (!is_set(cert))
		return;
	problem = pem_check_certificate(cert);
	if (problem) {
		fault_file(loading, entry, shown, "client_cert", cert, problem);
	} else if (is_set(key)) {
		fault_file(loading, entry, shown, "client_key", key, pem_check_pair(cert, key));
	} else if (pem_check_key(cert)) {
		fault_file(loading, entry, shown, "client_cert", cert,
			"holds no key that can be used; name its file in client_key");
	} else {
		fault_file(loading, entry, shown, "client_cert", cert, pem_check_pair(cert, cert));
	}
}

/* ---- the proxy ---- */

/* A part of the user information, percent-decoded; NULL where it is none, or without memory. */
static char *decode(const char *text, size_t len)
{
	char *copy = mem_try(len + 1);
	size_t out = 0;

	for (size_t i = 0; copy && i < len; i++) {
		int c = (unsigned char)text[i];

		if (c == '%') {
			int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
			int low = high >= 0 ? hex_digit(text[i + 2]) : -1;

			c = low >= 0 ? high * 16 + low : 0;
			i += 2;
		}
		if (c < 0x20 || c == 0x7F) {
			mem_wipe(copy, len);
			mem_free(copy);
			return NULL;
		}
		copy[out++] = (char)c;
	}
	return copy;
}

static bool is_name(const char *host)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyz0123456789.-_"; /* what else is no name is not found */

	return *host && *host != '.' && *host != '-' && strlen(host) <= 253 &&
	       !host[strspn(host, allowed)];
}

/* Fills host, literal and port from "host:port" or "[::1]:port"; what is wrong, or NULL. */
static const char *read_place(const char *text, struct config_proxy *proxy)
{
	static const char form[] =
		"must be http://[user:password@]host:port or https://[user:password@]host:port";
	bool bracket = *text == '[';
	const char *close = bracket ? strchr(text, ']') : NULL;
	const char *colon = bracket ? (close ? close + 1 : "") : strchr(text, ':');
	struct in6_addr address;
	size_t len;

	if (!colon || *colon != ':' || !config_value_port(colon + 1, &proxy->port))
		return form;
	text += bracket;
	len = (size_t)((bracket ? close : colon) - text);
	proxy->host = mem_copy(text, len);
	if (!proxy->host)
		return NULL;
	for (char *c = proxy->host; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	proxy->literal = inet_pton(bracket ? AF_INET6 : AF_INET, proxy->host, &address) == 1;
	if (!proxy->literal && (bracket || !is_name(proxy->host)))
		return form;
	return NULL;
}

static const char *read_user(const char *text, size_t len, struct config_proxy *proxy)
{
	const char *colon = memchr(text, ':', len);
	size_t user_len = colon ? (size_t)(colon - text) : len;

	proxy->user = decode(text, user_len);
	proxy->password = colon ? decode(colon + 1, len - user_len - 1) : mem_copy("", 0);
	if (!proxy->user || !proxy->password || !*proxy->user || strchr(proxy->user, ':'))
		return "has a user or password that cannot be sent; encode what is special, such "
		       "as %40 for @";
	return NULL;
}

static const char *read_proxy(const char *text, struct config_proxy *proxy)
{
	const char *rest, *at;
	const char *problem = NULL;

	if (strncmp(text, "http://", 7) == 0)
		rest = text + 7;
	else if (strncmp(text, "https://", 8) == 0)
		rest = text + 8;
	else
		return "must begin with http:// or https://; other kinds of proxy are not used";
	proxy->tls = rest == text + 8;
	at = strrchr(rest, '@');
	if (at)
		problem = read_user(rest, (size_t)(at - rest), proxy);
	return problem ? problem : read_place(at ? at + 1 : rest, proxy);
}

static void free_proxy(struct config_proxy *proxy)
{
	if (!proxy)
		return;
	if (proxy->user)
		mem_wipe(proxy->user, strlen(proxy->user));
	if (proxy->password)
		mem_wipe(proxy->password, strlen(proxy->password));
	mem_free(proxy->user);
	mem_free(proxy->password);
	mem_free(proxy->host);
	mem_free(proxy);
}

void config_wire_free(struct config_upstream *upstream)
{
	free_proxy(upstream->via);
	upstream->via = NULL;
}

static void finish_proxy(struct config_loading *loading, const struct config_node *entry,
	const char *shown, struct config_upstream *upstream)
{
	char key[CONFIG_KEY_SIZE];
	const char *problem;

	config_fault_key(key, sizeof key, "%s.proxy", shown);
	upstream->via = mem_try(sizeof *upstream->via);
	if (!upstream->via) {
		config_fault_no_memory(loading);
		return;
	}
	problem = read_proxy(upstream->proxy, upstream->via);
	if (!problem && upstream->http2 == CONFIG_HTTP2_H2C)
		problem = "cannot carry http2: h2c; leave one of them out";
	if (problem) /* not quoted: it may hold a password */
		config_fault(loading, config_node_place(entry, "proxy"), key, "%s", problem);
	else if (!upstream->via->host)
		config_fault_no_memory(loading);
}

void config_wire_finish(struct config_loading *loading, const struct config_node *entry,
	const char *shown, struct config_upstream *upstream)
{
	char key[CONFIG_KEY_SIZE];

	if (is_set(upstream->client_key) && !is_set(upstream->client_cert)) {
		config_fault_key(key, sizeof key, "%s.client_key", shown);
		config_fault(loading, config_node_place(entry, "client_key"), key,
			"has no client_cert beside it");
	} else if (!loading->offline) {
		check_files(loading, entry, shown, upstream);
	}
	if (is_set(upstream->proxy))
		finish_proxy(loading, entry, shown, upstream);
}
