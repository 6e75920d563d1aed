/* guard_kit.h - addresses, and a guard with targets to allow and to deny, from their texts. */
#ifndef TESTS_UNIT_POOL_GUARD_KIT_H
#define TESTS_UNIT_POOL_GUARD_KIT_H
#include <arpa/inet.h>
#include <check.h>
#include <string.h>

#include "pool/guard.h"

enum { OWN_PORT = 8099 };

static inline union url_address address_from(const char *text)
{
	union url_address address;

	memset(&address, 0, sizeof address);
	if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1)
		address.sa.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) == 1)
		address.sa.sa_family = AF_INET6;
	else
		ck_abort_msg("not an address: %s", text);
	return address;
}

/* "a, b" as a list of the configuration; the texts live in `copy`. */
static inline struct config_strings list_of(const char *csv, char *copy, char **items)
{
	struct config_strings list = {.items = items};
	char *save = NULL;

	memcpy(copy, csv, strlen(csv) + 1);
	for (char *item = strtok_r(copy, ", ", &save); item; item = strtok_r(NULL, ", ", &save))
		items[list.count++] = item;
	return list;
}

enum flags { NOT_PUBLIC = 1, ALLOW_PRIVATE = 2 };

static inline enum err_code make(const char *allow, const char *deny, unsigned flags,
	struct guard **ret_guard, struct err *err)
{
	char allow_text[512], deny_text[512], *allow_items[32], *deny_items[32];
	uint16_t ports[] = {80, 443};
	struct config config = {.targets = {.ports = ports, .port_count = 2}};

	config.targets.public_addresses = !(flags & NOT_PUBLIC);
	config.targets.allow_private = flags & ALLOW_PRIVATE;
	config.targets.allow = list_of(allow, allow_text, allow_items);
	config.targets.deny = list_of(deny, deny_text, deny_items);
	return guard_new(&config, OWN_PORT, ret_guard, err);
}
#endif
