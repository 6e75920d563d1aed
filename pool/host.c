/* host.c - the forms a host may have: a name, an IPv4 or IPv6 address; and a port. */
#include "pool/host.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static bool copy_lower(struct span text, char to[HOST_SIZE])
{
	if (text.len >= HOST_SIZE)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		to[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
	}
	to[text.len] = '\0';
	return true;
}

static bool name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.';
}

/* Each label has 1 to 63 bytes; so there is no dot at either end. */
static bool labels_valid(const char *name)
{
	size_t len = 0;

	for (const char *at = name;; at++) {
		if (*at && *at != '.') {
			len++;
			continue;
		}
		if (len == 0 || len > HOST_LABEL_MAX_BYTES ||
			(len == 4 && memcmp(at - 4, "xn--", 4) == 0))
			return false;
		if (!*at)
			return true;
		len = 0;
	}
}

/* The parsers of this world disagree on such hosts: 127.1, 0x7f.1, 2130706433 are addresses to
 * some, names to others. */
static bool ends_in_number(const char *name)
{
	const char *dot = strrchr(name, '.');
	const char *at = dot ? dot + 1 : name;
	bool hex = at[0] == '0' && at[1] == 'x';

	for (at += hex ? 2 : 0; *at; at++)
		if (!((*at >= '0' && *at <= '9') || (hex && *at >= 'a' && *at <= 'f')))
			return false;
	return true;
}

static bool parse_ip4(const char *host, union url_address *ret_address)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	char again[INET_ADDRSTRLEN];

	if (inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
		!inet_ntop(AF_INET, &address.sin_addr, again, sizeof again) ||
		strcmp(host, again) != 0)
		return false;
	memset(ret_address, 0, sizeof *ret_address);
	ret_address->v4 = address;
	return true;
}

enum host_kind host_parse(
	struct span text, char ret_host[HOST_SIZE], union url_address *ret_address)
{
	for (size_t i = 0; i < text.len; i++)
		if (!name_byte(text.ptr[i]))
			return HOST_BAD_BYTES;
	if (text.len > HOST_NAME_MAX_BYTES || !copy_lower(text, ret_host) ||
		!labels_valid(ret_host))
		return HOST_BAD_FORM;
	if (!ends_in_number(ret_host))
		return HOST_NAME;
	return parse_ip4(ret_host, ret_address) ? HOST_ADDRESS : HOST_BAD_FORM;
}

bool host_parse_ip6(struct span text, union url_address *ret_address)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6};
	char host[INET6_ADDRSTRLEN];

	if (text.len >= sizeof host)
		return false;
	memcpy(host, text.ptr, text.len);
	host[text.len] = '\0';
	if (strlen(host) != text.len || inet_pton(AF_INET6, host, &address.sin6_addr) != 1)
		return false;
	memset(ret_address, 0, sizeof *ret_address);
	ret_address->v6 = address;
	return true;
}

bool host_parse_port(struct span text, uint16_t *ret_port)
{
	unsigned long port = 0;

	if (text.len == 0 || text.len > 5 || (text.len > 1 && text.ptr[0] == '0'))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		port = port * 10 + (unsigned long)(text.ptr[i] - '0');
	}
	if (port > UINT16_MAX)
		return false;
	*ret_port = (uint16_t)port;
	return true;
}

void host_print(const struct sockaddr *address, char ret_host[HOST_SIZE])
{
	const void *bytes = NULL;

	if (address->sa_family == AF_INET)
		bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
	else if (address->sa_family == AF_INET6)
		bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
	if (!bytes || !inet_ntop(address->sa_family, bytes, ret_host, HOST_SIZE))
		ret_host[0] = '\0';
}
