/* resolver.c - names to addresses, by c-ares, on a worker's epoll: no thread a look-up, none
 * blocked.
 *
 * An entry is PENDING while c-ares works on it, then KEPT until it expires or is evicted. c-ares
 * calls back whenever it likes, even from within the question; so its callback only stores the
 * answer and puts the entry on `finished`, and resolver_process tells the waiters.
 *
 *   (none) --ask--> PENDING --callback--> KEPT --evicted--> (none)
 *                      ^---ask, expired----'
 *
 * Invariants: PENDING, `finished` or telling entries are never freed; the others stand in `idle`,
 * oldest first. */
#include "pool/resolver.h"

#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/time.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/mem.h"
#include "pool/resolver_channel.h"

enum { ALIASES_MAX = 8 };

#define KEEP_US (60ull * 1000000)
#define KEEP_NO_NAME_US (5ull * 1000000)
#define KEEP_FAILURE_US (100ull * 1000) /* for who asked at that time: a retry asks anew */

struct resolver_entry {
	struct hash_node node;
	struct list_node place; /* in resolver.idle or resolver.finished; in neither while pending
				   or telling */
	struct list_node waiters;
	struct resolver *resolver;
	uint64_t expires_us;
	bool pending, telling;
	enum resolver_status status;
	enum resolver_lack lack;
	const char *text;
	uint64_t shortages; /* as of its start: more of them since may be its own */
	size_t address_count, alias_count, alias_bytes;
	size_t bytes; /* as counted in resolver.bytes */
	union url_address *addresses;
	char *aliases; /* terminated, one behind the other */
	char host[];
};

struct resolver {
	struct resolver_channel channel;
	struct hash entries;
	struct list_node idle, finished;
	size_t bytes;    /* of all entries */
	uint64_t now_us; /* of the call that is going on */
};

static const struct resolver_answer no_memory = {
	.status = RESOLVER_FAILED, .lack = RESOLVER_LACKS_ROOM, .text = "out of memory"};
static const struct resolver_answer too_many = {.status = RESOLVER_FAILED,
	.lack = RESOLVER_LACKS_ROOM,
	.text = "too many names are being looked up"};
static const struct resolver_answer no_files = {.status = RESOLVER_FAILED,
	.lack = RESOLVER_LACKS_FILES,
	.text = "no file descriptor is free"};

const char *resolver_library_version(void)
{
	return ares_version(NULL);
}

enum err_code resolver_new(
	resolver_watch_fn *watch, void *arg, struct resolver **ret_resolver, struct err *err)
{
	struct resolver *resolver = mem_try(sizeof *resolver);
	int status;

	if (!resolver || hash_init(&resolver->entries, 64) != ERR_OK) {
		mem_free(resolver);
		return err_set(err, ERR_NOMEM, "no memory for the resolver");
	}
	resolver->channel.watch = watch;
	resolver->channel.watch_arg = arg;
	list_init(&resolver->idle);
	list_init(&resolver->finished);
	status = resolver_channel_open(&resolver->channel);
	if (status != ARES_SUCCESS) {
		hash_free(&resolver->entries);
		mem_free(resolver);
		return err_set(err, status == ARES_ENOMEM ? ERR_NOMEM : ERR_IO,
			"cannot set up DNS: %s", ares_strerror(status));
	}
	*ret_resolver = resolver;
	return ERR_OK;
}

enum err_code resolver_set_servers(struct resolver *resolver, const char *csv, struct err *err)
{
	int status = ares_set_servers_ports_csv(resolver->channel.ares, csv);

	if (status == ARES_SUCCESS)
		return ERR_OK;
	return err_set(err, status == ARES_ENOMEM ? ERR_NOMEM : ERR_INVALID,
		"DNS servers \"%.100s\": %s", csv, ares_strerror(status));
}

static void clear(struct resolver_entry *entry)
{
	mem_free(entry->addresses);
	mem_free(entry->aliases);
	entry->addresses = NULL;
	entry->aliases = NULL;
	entry->address_count = entry->alias_count = entry->alias_bytes = 0;
	entry->status = RESOLVER_OK;
	entry->lack = RESOLVER_LACKS_NOTHING;
	entry->text = "ok";
}

static void weigh(struct resolver_entry *entry)
{
	struct resolver *resolver = entry->resolver;

	resolver->bytes -= entry->bytes;
	entry->bytes = sizeof *entry + strlen(entry->host) + 1 + entry->alias_bytes +
		       entry->address_count * sizeof *entry->addresses;
	resolver->bytes += entry->bytes;
}

static void drop(struct resolver_entry *entry)
{
	entry->resolver->bytes -= entry->bytes;
	list_remove(&entry->place);
	hash_remove(&entry->resolver->entries, &entry->node);
	clear(entry);
	mem_free(entry);
}

void resolver_destroy(struct resolver *resolver)
{
	struct list_node *place;

	if (!resolver)
		return;
	ares_destroy(resolver->channel.ares); /* calls back for what is pending */
	list_move_all(&resolver->idle, &resolver->finished);
	while ((place = resolver->idle.next) != &resolver->idle) {
		struct resolver_entry *entry = LIST_OF(place, struct resolver_entry, place);

		REQUIRE(list_empty(&entry->waiters));
		drop(entry);
	}
	REQUIRE(resolver->entries.count == 0 && resolver->bytes == 0);
	hash_free(&resolver->entries);
	mem_free(resolver);
}

static void fail(struct resolver_entry *entry, enum resolver_status status, const char *text)
{
	clear(entry);
	entry->status = status;
	entry->text = text;
}

static void fail_lacking(struct resolver_entry *entry, const struct resolver_answer *what)
{
	fail(entry, what->status, what->text);
	entry->lack = what->lack;
}

static void read_status(struct resolver_entry *entry, int status)
{
	switch (status) {
	case ARES_ENODATA:
		fail(entry, RESOLVER_NO_NAME, "the name has no address");
		break;
	case ARES_ENOTFOUND:
	case ARES_ENONAME:
	case ARES_EBADNAME:
		fail(entry, RESOLVER_NO_NAME, "the name does not exist");
		break;
	case ARES_ETIMEOUT:
		fail(entry, RESOLVER_TIMEOUT, "no DNS server answered in time");
		break;
	case ARES_ESERVFAIL:
		fail(entry, RESOLVER_FAILED, "the DNS server failed");
		break;
	case ARES_EREFUSED:
		fail(entry, RESOLVER_FAILED, "the DNS server refused to answer");
		break;
	case ARES_ECONNREFUSED: /* c-ares 1.18 says so of SERVFAIL and REFUSED, too */
		fail(entry, RESOLVER_FAILED, "the DNS server failed or cannot be reached");
		break;
	case ARES_ENOMEM:
		fail_lacking(entry, &no_memory);
		break;
	default:
		fail(entry, RESOLVER_FAILED, "the DNS answer cannot be used");
		break;
	}
}

/* False without memory. */
static bool copy_addresses(struct resolver_entry *entry, const struct ares_addrinfo *info)
{
	size_t count = 0;

	for (const struct ares_addrinfo_node *at = info->nodes; at; at = at->ai_next)
		count += at->ai_family == AF_INET || at->ai_family == AF_INET6;
	if (count > RESOLVER_ADDRESSES_MAX) { /* what is not seen cannot be judged */
		fail(entry, RESOLVER_FAILED, "too many addresses in the DNS answer");
		return true;
	}
	entry->addresses = mem_try(count * sizeof *entry->addresses);
	if (!entry->addresses)
		return false;
	for (const struct ares_addrinfo_node *at = info->nodes; at && entry->address_count < count;
		at = at->ai_next) {
		union url_address *to = &entry->addresses[entry->address_count];

		if (at->ai_family == AF_INET)
			memcpy(&to->v4, at->ai_addr, sizeof to->v4);
		else if (at->ai_family == AF_INET6)
			memcpy(&to->v6, at->ai_addr, sizeof to->v6);
		else
			continue;
		entry->address_count++;
	}
	return true;
}

/* False without memory. */
static bool copy_aliases(struct resolver_entry *entry, const struct ares_addrinfo *info)
{
	struct buf text;
	size_t count = 0, len;
	bool failed;

	buf_init(&text, 65536);
	for (const struct ares_addrinfo_cname *at = info->cnames; at; at = at->next)
		if (at->name && strcasecmp(at->name, entry->host) != 0 && count++ < ALIASES_MAX)
			buf_add(&text, at->name, strlen(at->name) + 1);
	failed = text.failed;
	entry->aliases = buf_steal(&text, &len);
	entry->alias_bytes = len;
	if (count > ALIASES_MAX) {
		fail(entry, RESOLVER_FAILED, "too many aliases (CNAME) in the DNS answer");
		return true;
	}
	entry->alias_count = count;
	return !failed;
}

static void read_answer(struct resolver_entry *entry, const struct ares_addrinfo *info)
{
	clear(entry);
	if (!copy_addresses(entry, info) ||
		(entry->status == RESOLVER_OK && !copy_aliases(entry, info)))
		fail_lacking(entry, &no_memory);
	else if (entry->status == RESOLVER_OK && entry->address_count == 0)
		read_status(entry, ARES_ENODATA);
}

static uint64_t keep_us(const struct resolver_entry *entry)
{
	if (entry->lack != RESOLVER_LACKS_NOTHING)
		return 0;
	switch (entry->status) {
	case RESOLVER_OK:
		return KEEP_US;
	case RESOLVER_NO_NAME:
		return KEEP_NO_NAME_US;
	default:
		return KEEP_FAILURE_US;
	}
}

/* Where it gets no socket, c-ares goes on as if the server had refused; of the two questions one
 * may have been answered over another socket. It does not say whose socket that was: a shortage
 * that another look-up met counts here, too. */
static bool is_for_want_of_files(const struct resolver_entry *entry)
{
	return entry->status != RESOLVER_OK && entry->lack == RESOLVER_LACKS_NOTHING &&
	       entry->shortages != entry->resolver->channel.shortages;
}

static void settle(struct resolver_entry *entry)
{
	weigh(entry);
	entry->pending = false;
	entry->expires_us = clock_add(entry->resolver->now_us, keep_us(entry));
	list_push_back(&entry->resolver->finished, &entry->place);
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct resolver_entry *entry = arg;

	(void)timeouts;
	if (status == ARES_SUCCESS && info)
		read_answer(entry, info);
	else
		read_status(entry, status);
	if (info)
		ares_freeaddrinfo(info);
	if (is_for_want_of_files(entry))
		fail_lacking(entry, &no_files);
	settle(entry);
}

static void give(const struct resolver_entry *entry, struct resolver_answer *ret_answer)
{
	const char *alias = entry->aliases;

	*ret_answer = (struct resolver_answer){
		.status = entry->status, .lack = entry->lack, .text = entry->text};
	ret_answer->count = entry->address_count;
	ret_answer->addresses = entry->addresses;
	for (; ret_answer->alias_count < entry->alias_count; alias += strlen(alias) + 1)
		ret_answer->aliases[ret_answer->alias_count++] = alias;
}

static bool same_host(const struct hash_node *node, const void *host)
{
	return strcmp(LIST_OF(node, struct resolver_entry, node)->host, host) == 0;
}

static struct resolver_entry *add_entry(struct resolver *resolver, const char *host, uint64_t key)
{
	size_t size = strlen(host) + 1;
	struct resolver_entry *entry = mem_try(sizeof *entry + size);

	if (!entry)
		return NULL;
	entry->resolver = resolver;
	memcpy(entry->host, host, size);
	list_init(&entry->place);
	list_init(&entry->waiters);
	weigh(entry);
	hash_insert(&resolver->entries, &entry->node, key);
	return entry;
}

static void drop_oldest(struct resolver *resolver)
{
	drop(LIST_OF(resolver->idle.next, struct resolver_entry, place));
}

/* The oldest goes where the table is full. */
static bool make_room(struct resolver *resolver)
{
	if (resolver->entries.count < RESOLVER_TABLE_MAX)
		return true;
	if (list_empty(&resolver->idle))
		return false;
	drop_oldest(resolver);
	return true;
}

/* Without a descriptor c-ares takes /etc/hosts for empty, and may have a socket to ask about such a
 * name all the same. */
static void start(struct resolver_entry *entry)
{
	struct resolver *resolver = entry->resolver;
	struct ares_addrinfo_hints hints = {.ai_flags = ARES_AI_CANONNAME | ARES_AI_NOSORT,
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM};

	list_remove(&entry->place);
	if (!resolver_channel_has_files()) {
		fail_lacking(entry, &no_files);
		settle(entry);
		return;
	}
	entry->pending = true;
	entry->shortages = resolver->channel.shortages;
	ares_getaddrinfo(resolver->channel.ares, entry->host, NULL, &hints, on_answer, entry);
}

bool resolver_ask(struct resolver *resolver, const char *host, uint64_t now_us,
	struct resolver_waiter *waiter, struct resolver_answer *ret_answer)
{
	uint64_t key = hash_bytes(&resolver->entries, host, strlen(host));
	struct hash_node *node = hash_find(&resolver->entries, key, same_host, host);
	struct resolver_entry *entry = node ? LIST_OF(node, struct resolver_entry, node) : NULL;

	resolver->now_us = now_us;
	waiter->entry = NULL;
	if (!entry) {
		bool room = make_room(resolver);

		entry = room ? add_entry(resolver, host, key) : NULL;
		if (!entry) {
			*ret_answer = room ? no_memory : too_many;
			return true;
		}
		start(entry);
	} else if (!entry->pending && list_empty(&entry->waiters) && !entry->telling &&
		   entry->expires_us <= now_us) {
		start(entry);
	}
	if (!entry->pending) {
		give(entry, ret_answer);
		return true;
	}
	waiter->entry = entry;
	list_init(&waiter->link);
	list_push_back(&entry->waiters, &waiter->link);
	return false;
}

void resolver_forget(struct resolver *resolver, struct resolver_waiter *waiter)
{
	(void)resolver;
	if (!waiter->entry)
		return;
	list_remove(&waiter->link);
	waiter->entry = NULL;
}

/* A waiter's callback may ask, forget others, and free its own waiter. */
static void tell(struct resolver_entry *entry)
{
	struct resolver *resolver = entry->resolver;
	struct resolver_answer answer;
	struct list_node *link;

	entry->telling = true;
	give(entry, &answer);
	while ((link = list_pop(&entry->waiters))) {
		struct resolver_waiter *waiter = LIST_OF(link, struct resolver_waiter, link);

		waiter->entry = NULL;
		waiter->done(waiter, &answer);
	}
	entry->telling = false;
	list_push_back(&resolver->idle, &entry->place);
	while (resolver->bytes > RESOLVER_BYTES_MAX && !list_empty(&resolver->idle))
		drop_oldest(resolver);
}

void resolver_process(struct resolver *resolver, int fd, uint32_t events, uint64_t now_us)
{
	bool broken = (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) != 0;
	struct list_node *place;

	resolver->now_us = now_us;
	ares_process_fd(resolver->channel.ares, broken || events & EPOLLIN ? fd : ARES_SOCKET_BAD,
		broken || events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
	while ((place = list_pop(&resolver->finished)))
		tell(LIST_OF(place, struct resolver_entry, place));
}

uint64_t resolver_due_us(struct resolver *resolver, uint64_t now_us)
{
	struct timeval left, *due;

	if (!list_empty(&resolver->finished))
		return now_us;
	due = ares_timeout(resolver->channel.ares, NULL, &left);
	if (!due)
		return CLOCK_NEVER;
	return clock_add(now_us, (uint64_t)due->tv_sec * 1000000 + (uint64_t)due->tv_usec);
}
