/* resolver.h - names to addresses, by c-ares, on a worker's epoll: no thread a look-up, none
 * blocked.
 *
 * One resolver a worker; every function is for that worker's thread. One look-up in flight a name;
 * others wait for it. Answers are kept: 60 s, of a name that does not exist 5 s, other
 * failures 0.1 s. The table is bounded, in names and in bytes, and evicts the oldest that nobody
 * waits for. A and AAAA are both asked. /etc/hosts counts. It knows no policy: whoever asked looks
 * at all addresses with the guard. */
#ifndef POOL_RESOLVER_H
#define POOL_RESOLVER_H
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/list.h"
#include "pool/url.h"

enum {
	RESOLVER_ADDRESSES_MAX = 512, /* of a name; one with more cannot be resolved */
	RESOLVER_TABLE_MAX = 4096,    /* names kept */
	RESOLVER_BYTES_MAX = 4 << 20  /* and what they take, the answers included */
};

enum resolver_status {
	RESOLVER_OK,
	RESOLVER_NO_NAME /* NXDOMAIN, no data */,
	RESOLVER_FAILED /* SERVFAIL, refused … */,
	RESOLVER_TIMEOUT
};

/* What of ours was missing where a look-up failed (RESOLVER_FAILED): such a failure says nothing of
 * the name or its servers, and is not kept. */
enum resolver_lack {
	RESOLVER_LACKS_NOTHING,
	RESOLVER_LACKS_FILES, /* descriptors: with fewer idle connections there may be one */
	RESOLVER_LACKS_ROOM   /* memory, or a place among the names that are being looked up */
};

/* Borrowed; valid until the callback returns, or the next call of this resolver. */
struct resolver_answer {
	enum resolver_status status;
	enum resolver_lack lack;
	const char *text; /* static: what went wrong, for people */
	size_t count;     /* all that the name has: who judges must see all of them */
	const union url_address *addresses;
	size_t alias_count; /* names that CNAMEs led to, at most 8 */
	const char *aliases[8];
};

struct resolver;
struct resolver_waiter; /* one question of one call, embedded by the asker */
typedef void resolver_done_fn(struct resolver_waiter *waiter, const struct resolver_answer *answer);
struct resolver_waiter {
	struct list_node link;        /* the resolver's alone */
	struct resolver_entry *entry; /* NULL: not waiting; zeroed memory is such a waiter */
	resolver_done_fn *done;
};

/* Asked to watch a socket: events of EPOLLIN | EPOLLOUT, 0: no more (it is about to be closed). */
typedef void resolver_watch_fn(void *arg, int fd, uint32_t events);

const char *resolver_library_version(void); /* of c-ares; static; any thread */
enum err_code resolver_new(resolver_watch_fn *watch, void *arg, struct resolver **ret_resolver,
	struct err *err) MUST_CHECK;
void resolver_destroy(struct resolver *resolver); /* nobody may be waiting */
/* True: *ret_answer is here at once (kept, or something is lacking), `done` is not called. False:
 * `done` is called later, from resolver_process, exactly once, unless resolver_forget comes first.
 */
bool resolver_ask(struct resolver *resolver, const char *host, uint64_t now_us,
	struct resolver_waiter *waiter, struct resolver_answer *ret_answer);
void resolver_forget(struct resolver *resolver, struct resolver_waiter *waiter);
/* A watched socket is ready (fd, EPOLL* events), or only time has passed (fd -1). May call `done`
 * of many. */
void resolver_process(struct resolver *resolver, int fd, uint32_t events, uint64_t now_us);
/* When to call again with -1; CLOCK_NEVER: no need. */
uint64_t resolver_due_us(struct resolver *resolver, uint64_t now_us);
/* Instead of those of resolv.conf: "127.0.0.1:5353,[::1]:53". Before the first question. */
enum err_code resolver_set_servers(
	struct resolver *resolver, const char *csv, struct err *err) MUST_CHECK;
#endif
