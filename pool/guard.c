/* guard.c - which targets may be called: hosts, ports, addresses (`targets` in the configuration).
 *
 * Order of what decides, first to last: deny entries; our own listener; the literal address in
 * allow, which alone opens link-local, metadata and IPv4-mapped addresses; networks in allow;
 * allow_private; names in allow; the rules for everybody (ports, local names, public addresses
 * only). A deny entry without a port denies every port. */
#include "pool/guard.h"

#include <errno.h>
#include <ifaddrs.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"
#include "pool/target.h"

struct guard {
	atomic_uint refs;
	/* constant from here on */
	bool public_addresses, allow_private;
	uint16_t own_port;
	uint16_t *ports;
	size_t port_count;
	struct target *allow, *deny;
	size_t allow_count, deny_count;
	struct address *own; /* of this machine's interfaces when the guard was made; loopback is
				known without */
	size_t own_count;
};

static enum err_code parse_entries(const struct config_strings *texts, const char *key,
	struct target **ret_entries, size_t *ret_count, struct err *err)
{
	struct err why;

	*ret_entries = mem_try(texts->count * sizeof **ret_entries);
	if (!*ret_entries)
		return err_set(err, ERR_NOMEM, "no memory for %s", key);
	*ret_count = texts->count;
	for (size_t i = 0; i < texts->count; i++) {
		enum err_code code = target_parse(texts->items[i], &(*ret_entries)[i], &why);

		if (code != ERR_OK)
			return err_set(err, code, "%s: %s", key, why.detail);
	}
	return ERR_OK;
}

static bool check_entries(const struct config_strings *texts, const char *place, struct buf *faults)
{
	struct target target;
	struct err why;
	bool sound = true;

	for (size_t i = 0; i < texts->count; i++) {
		if (target_parse(texts->items[i], &target, &why) == ERR_OK)
			continue;
		buf_addf(faults, "%s[%zu]: %s\n", place, i, why.detail);
		sound = false;
	}
	return sound;
}

enum err_code guard_check_config(const struct config *config, struct buf *faults)
{
	const char *allow = config->targets.allow_place, *deny = config->targets.deny_place;
	bool sound = check_entries(&config->targets.allow, allow ? allow : "targets.allow", faults);

	if (!check_entries(&config->targets.deny, deny ? deny : "targets.deny", faults))
		sound = false;
	return sound ? ERR_OK : ERR_INVALID;
}

static enum err_code list_own(struct guard *guard, struct err *err)
{
	struct ifaddrs *list = NULL;
	size_t count = 0;

	if (getifaddrs(&list) != 0)
		return err_set(err, ERR_IO,
			"cannot list this machine's addresses (AF_NETLINK must be allowed): %s",
			strerror(errno));
	for (const struct ifaddrs *at = list; at; at = at->ifa_next)
		count++;
	guard->own = mem_try(count * sizeof *guard->own);
	for (const struct ifaddrs *at = list; guard->own && at; at = at->ifa_next) {
		if (!at->ifa_addr)
			continue;
		guard->own[guard->own_count] = address_of(at->ifa_addr);
		guard->own_count += guard->own[guard->own_count].family != 0;
	}
	freeifaddrs(list);
	return guard->own ? ERR_OK
			  : err_set(err, ERR_NOMEM, "no memory for this machine's addresses");
}

static enum err_code copy_ports(const struct config *config, struct guard *guard, struct err *err)
{
	size_t size = config->targets.port_count * sizeof *guard->ports;

	guard->ports = mem_try(size);
	if (!guard->ports)
		return err_set(err, ERR_NOMEM, "no memory for targets.ports");
	if (size)
		memcpy(guard->ports, config->targets.ports, size);
	guard->port_count = config->targets.port_count;
	return ERR_OK;
}

static void destroy(struct guard *guard)
{
	mem_free(guard->ports);
	mem_free(guard->allow);
	mem_free(guard->deny);
	mem_free(guard->own);
	mem_free(guard);
}

/* Open to what `allow` names and nothing else, so far. */
static enum err_code make(const struct config *config, uint16_t own_port,
	const struct config_strings *allow, struct guard **ret_guard, struct err *err)
{
	struct guard *guard = mem_try(sizeof *guard);
	enum err_code code;

	if (!guard)
		return err_set(err, ERR_NOMEM, "no memory for the guard");
	atomic_init(&guard->refs, 1);
	guard->own_port = own_port;
	code = parse_entries(allow, "targets.allow", &guard->allow, &guard->allow_count, err);
	if (code == ERR_OK)
		code = parse_entries(&config->targets.deny, "targets.deny", &guard->deny,
			&guard->deny_count, err);
	if (code == ERR_OK)
		code = list_own(guard, err);
	if (code != ERR_OK) {
		destroy(guard);
		return code;
	}
	*ret_guard = guard;
	return ERR_OK;
}

enum err_code guard_new(
	const struct config *config, uint16_t own_port, struct guard **ret_guard, struct err *err)
{
	struct guard *guard = NULL;
	enum err_code code = make(config, own_port, &config->targets.allow, &guard, err);

	if (code != ERR_OK)
		return code;
	REQUIRE(guard);
	guard->public_addresses = config->targets.public_addresses;
	guard->allow_private = config->targets.allow_private;
	code = copy_ports(config, guard, err);
	if (code != ERR_OK) {
		destroy(guard);
		return code;
	}
	*ret_guard = guard;
	return ERR_OK;
}

enum err_code guard_new_origin(const struct config *config, uint16_t own_port,
	const struct url *url, struct guard **ret_guard, struct err *err)
{
	bool v6 = url->literal && url->address.sa.sa_family == AF_INET6;
	char *entry = mem_print(v6 ? "[%s]:%u" : "%s:%u", url->host, url->port);
	const struct config_strings allow = {&entry, 1};
	enum err_code code;

	if (!entry)
		return err_set(err, ERR_NOMEM, "no memory for the guard");
	code = make(config, own_port, &allow, ret_guard, err);
	mem_free(entry);
	return code;
}

struct guard *guard_ref(struct guard *guard)
{
	atomic_fetch_add_explicit(&guard->refs, 1, memory_order_relaxed);
	return guard;
}

void guard_unref(struct guard *guard)
{
	if (guard && atomic_fetch_sub_explicit(&guard->refs, 1, memory_order_acq_rel) == 1)
		destroy(guard);
}

enum guard_class guard_classify(const struct sockaddr *address)
{
	struct address plain = address_of(address);

	return address_classify(&plain);
}

static bool usual_port(const struct guard *guard, uint16_t port)
{
	for (size_t i = 0; i < guard->port_count; i++)
		if (guard->ports[i] == port)
			return true;
	return false;
}

static bool allows_port(const struct guard *guard, const struct target *entry, uint16_t port)
{
	return entry->port ? entry->port == port : usual_port(guard, port);
}

static bool allows_name(const struct guard *guard, const char *name, uint16_t port)
{
	for (size_t i = 0; i < guard->allow_count; i++)
		if (target_has_name(&guard->allow[i], name) &&
			allows_port(guard, &guard->allow[i], port))
			return true;
	return false;
}

/* Does an allowed network hold the address? NULL asks for any network. */
static bool allows_network(const struct guard *guard, const struct address *address, uint16_t port)
{
	for (size_t i = 0; i < guard->allow_count; i++) {
		const struct target *entry = &guard->allow[i];

		if (entry->kind == TARGET_NETWORK && allows_port(guard, entry, port) &&
			(!address || target_has_address(entry, address)))
			return true;
	}
	return false;
}

static bool allows_literal(const struct guard *guard, const struct address *address, uint16_t port)
{
	for (size_t i = 0; i < guard->allow_count; i++) {
		const struct target *entry = &guard->allow[i];

		if (target_is_literal(entry) && target_has_address(entry, address) &&
			allows_port(guard, entry, port))
			return true;
	}
	return false;
}

static bool denies_name(const struct guard *guard, const char *name, uint16_t port)
{
	for (size_t i = 0; i < guard->deny_count; i++)
		if (target_has_name(&guard->deny[i], name) &&
			(port == 0 || guard->deny[i].port == 0 || guard->deny[i].port == port))
			return true;
	return false;
}

static bool denies_address(const struct guard *guard, const struct address *address, uint16_t port)
{
	struct address inner = address_unmap(address);

	for (size_t i = 0; i < guard->deny_count; i++) {
		const struct target *entry = &guard->deny[i];

		if ((entry->port == 0 || entry->port == port) &&
			(target_has_address(entry, address) || target_has_address(entry, &inner)))
			return true;
	}
	return false;
}

static bool is_own(const struct guard *guard, const struct address *address)
{
	struct address inner = address_unmap(address);

	if (address_is_here(&inner))
		return true;
	for (size_t i = 0; i < guard->own_count; i++)
		if (address_same(&guard->own[i], &inner))
			return true;
	return false;
}

/* Names that mean this machine, this site or this cluster, and never a public host. */
static bool local_name(const char *name)
{
	static const char *const suffixes[] = {
		"localhost", "local", "internal", "localdomain", "svc", "home.arpa"};
	size_t len = strlen(name);

	if (len > 0 && name[len - 1] == '.')
		len--;
	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
		size_t suffix = strlen(suffixes[i]);

		if (len >= suffix && strncasecmp(name + len - suffix, suffixes[i], suffix) == 0 &&
			(len == suffix || name[len - suffix - 1] == '.'))
			return true;
	}
	return false;
}

static enum item_reason check_name(const struct guard *guard, const struct url *url)
{
	if (denies_name(guard, url->host, url->port))
		return REASON_HOST_DENIED;
	if (guard->allow_private || allows_name(guard, url->host, url->port))
		return REASON_NONE;
	if (allows_network(guard, NULL, url->port))
		return REASON_NONE; /* its addresses will tell */
	if (!usual_port(guard, url->port))
		return REASON_PORT_DENIED;
	return local_name(url->host) || !guard->public_addresses ? REASON_HOST_DENIED : REASON_NONE;
}

enum item_reason guard_check_url(const struct guard *guard, const struct url *url)
{
	struct address address;

	if (url->port == 0)
		return REASON_PORT_DENIED;
	if (!url->literal)
		return check_name(guard, url);
	address = address_of(&url->address.sa);
	if (!guard->allow_private && !usual_port(guard, url->port) &&
		!allows_network(guard, &address, url->port))
		return REASON_PORT_DENIED;
	return guard_check_address(guard, url, &url->address.sa);
}

/* What nothing in `allow` opens. */
static bool open_to_all(const struct guard *guard, const struct url *url, enum guard_class class)
{
	if (class == GUARD_PUBLIC && !guard->public_addresses)
		return false;
	if (guard->allow_private)
		return true;
	return class == GUARD_PUBLIC && usual_port(guard, url->port) &&
	       (url->literal || !local_name(url->host));
}

enum item_reason guard_check_address(
	const struct guard *guard, const struct url *url, const struct sockaddr *to)
{
	struct address address = address_of(to);
	enum guard_class class = address_classify(&address);

	if (address.family == 0 || url->port == 0 || denies_address(guard, &address, url->port))
		return REASON_ADDRESS_DENIED;
	if (guard->own_port && url->port == guard->own_port && is_own(guard, &address))
		return REASON_ADDRESS_DENIED;
	if (allows_literal(guard, &address, url->port))
		return REASON_NONE;
	if (class == GUARD_LINK_LOCAL || class == GUARD_METADATA || address_is_mapped(&address))
		return REASON_ADDRESS_DENIED;
	if (allows_network(guard, &address, url->port) || open_to_all(guard, url, class))
		return REASON_NONE;
	/* A name opens what may be behind it, not what no host can have. */
	if (class != GUARD_SPECIAL && !url->literal && allows_name(guard, url->host, url->port))
		return REASON_NONE;
	return REASON_ADDRESS_DENIED;
}

static bool allows_alias(const struct guard *guard, const char *name)
{
	if (guard->allow_private || !local_name(name))
		return true;
	for (size_t i = 0; i < guard->allow_count; i++)
		if (guard->allow[i].kind == TARGET_NETWORK ||
			target_has_name(&guard->allow[i], name))
			return true;
	return false;
}

bool guard_denies_alias(const struct guard *guard, const struct url *url, const char *alias)
{
	if (denies_name(guard, alias, url->port))
		return true;
	return !allows_name(guard, url->host, url->port) && !allows_alias(guard, alias);
}
