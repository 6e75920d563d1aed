/* target.c - one entry of targets.allow or targets.deny. */
#include "pool/target.h"

#include <string.h>
#include <strings.h>

static enum err_code refuse(const char *text, const char *why, struct err *err)
{
	return err_set(err, ERR_INVALID,
		"\"%.100s\": %s; a target is a host (api.example.com), all below one "
		"(*.example.com), an address (10.0.0.5, [::1]) or a network (10.0.0.0/8), where "
		":port may follow",
		text, why);
}

/* The digits behind a '/' as a count of bits. NULL, or what is wrong. */
static const char *parse_prefix(struct span text, struct network *network)
{
	bool long_one = address_bits(&network->base) > 32;
	uint16_t prefix;

	if (!host_parse_port(text, &prefix) || prefix > address_bits(&network->base))
		return long_one ? "the length behind the / is 0 to 128"
				: "the length behind the / is 0 to 32";
	network->prefix = prefix;
	return NULL;
}

static bool has_host_bits(const struct network *network)
{
	for (unsigned bit = network->prefix; bit < address_bits(&network->base); bit++)
		if (network->base.bytes[bit / 8] >> (7 - bit % 8) & 1)
			return true;
	return false;
}

/* `text` is without brackets and port. NULL, or what is wrong. */
static const char *parse_network(struct span text, bool ip6, struct network *network)
{
	const char *slash = memchr(text.ptr, '/', text.len);
	struct span base = {text.ptr, slash ? (size_t)(slash - text.ptr) : text.len};
	const char *wrong = NULL;
	union url_address address;
	char host[HOST_SIZE];

	if (ip6 && !host_parse_ip6(base, &address))
		return "not an IPv6 address";
	if (!ip6 && host_parse(base, host, &address) != HOST_ADDRESS)
		return "only an address has a /length behind it";
	network->base = address_of(&address.sa);
	network->prefix = address_bits(&network->base);
	if (slash)
		wrong = parse_prefix((struct span){slash + 1, text.len - base.len - 1}, network);
	return wrong                    ? wrong
	       : has_host_bits(network) ? "the address has bits set behind its /length"
					: NULL;
}

/* 10.0.0.1-9: a name to DNS, but hardly to who wrote it; one in `deny` would deny nothing. */
static bool looks_like_range(struct span text)
{
	size_t dots = 0, hyphens = 0, digits = 0;

	for (size_t i = 0; i < text.len; i++) {
		dots += text.ptr[i] == '.';
		hyphens += text.ptr[i] == '-';
		digits += text.ptr[i] >= '0' && text.ptr[i] <= '9';
	}
	return dots > 0 && hyphens > 0 && dots + hyphens + digits == text.len;
}

static const char *parse_name(struct span text, struct target *target)
{
	struct span name = text;
	union url_address address;
	char host[HOST_SIZE];

	if (looks_like_range(text))
		return "a range of addresses is written as a network";
	target->kind = text.len > 2 && memcmp(text.ptr, "*.", 2) == 0 ? TARGET_SUFFIX : TARGET_NAME;
	if (target->kind == TARGET_SUFFIX)
		name = (struct span){text.ptr + 2, text.len - 2};
	switch (host_parse(name, host, &address)) {
	case HOST_NAME:
		break;
	case HOST_ADDRESS:
		return target->kind == TARGET_SUFFIX ? "a suffix must be of a name"
						     : parse_network(text, false, &target->network);
	case HOST_BAD_FORM:
	case HOST_BAD_BYTES:
		return "not a host";
	}
	target->name[0] = '.';
	memcpy(target->name + (target->kind == TARGET_SUFFIX), host, strlen(host) + 1);
	return NULL;
}

static const char *parse_host(struct span text, bool ip6, struct target *target)
{
	if (!ip6 && !memchr(text.ptr, '/', text.len)) {
		const char *wrong = parse_name(text, target);

		if (!wrong && target->name[0] == '\0')
			target->kind = TARGET_NETWORK;
		return wrong;
	}
	target->kind = TARGET_NETWORK;
	return parse_network(text, ip6, &target->network);
}

/* Cuts `text` at the port's colon. NULL, or what is wrong. */
static const char *cut(
	struct span text, struct span *ret_host, struct span *ret_port, bool *ret_ip6)
{
	const char *colon = memchr(text.ptr, ':', text.len), *end;

	*ret_ip6 = true;
	*ret_host = text;
	*ret_port = (struct span){0};
	if (text.len > 0 && text.ptr[0] == '[') {
		end = memchr(text.ptr, ']', text.len);
		if (!end)
			return "no ']'";
		*ret_host = (struct span){text.ptr + 1, (size_t)(end - text.ptr) - 1};
		colon = end + 1;
		if (colon == text.ptr + text.len)
			return NULL;
		if (*colon != ':')
			return "what follows the ']' is not a port";
	} else if (colon && memchr(colon + 1, ':', text.len - (size_t)(colon + 1 - text.ptr))) {
		return NULL; /* IPv6 without brackets: no port to tell from it */
	} else {
		*ret_ip6 = false;
		if (!colon)
			return NULL;
		ret_host->len = (size_t)(colon - text.ptr);
	}
	*ret_port = (struct span){colon, (size_t)(text.ptr + text.len - colon)};
	return NULL;
}

/* What people paste out of a browser. */
static bool looks_like_url(const char *text)
{
	const char *slash = strchr(text, '/');

	return strstr(text, "://") || (slash && (slash[1] < '0' || slash[1] > '9'));
}

enum err_code target_parse(const char *text, struct target *ret_target, struct err *err)
{
	struct target target = {0};
	struct span host, port;
	bool ip6;
	const char *wrong = looks_like_url(text) ? "no scheme and no path belong here"
						 : cut(span_of(text), &host, &port, &ip6);

	if (!wrong && port.len > 0 &&
		(!host_parse_port((struct span){port.ptr + 1, port.len - 1}, &target.port) ||
			target.port == 0))
		wrong = "the port is not one of 1 to 65535";
	if (!wrong)
		wrong = parse_host(host, ip6, &target);
	if (wrong)
		return refuse(text, wrong, err);
	*ret_target = target;
	return ERR_OK;
}

bool target_has_name(const struct target *target, const char *name)
{
	size_t len = strlen(name), suffix = strlen(target->name);

	switch (target->kind) {
	case TARGET_NAME:
		return strcasecmp(name, target->name) == 0;
	case TARGET_SUFFIX:
		return len > suffix && strcasecmp(name + len - suffix, target->name) == 0;
	case TARGET_NETWORK:
		break;
	}
	return false;
}

bool target_has_address(const struct target *target, const struct address *address)
{
	return target->kind == TARGET_NETWORK && address_in(address, &target->network);
}

bool target_is_literal(const struct target *target)
{
	return target->kind == TARGET_NETWORK &&
	       target->network.prefix == address_bits(&target->network.base);
}
