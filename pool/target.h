/* target.h - one entry of targets.allow or targets.deny.
 *
 * A name, a suffix or a network, each with an optional port: "users.internal", "10.0.0.7", "[::1]",
 * "*.svc.cluster.local", "10.2.0.0/16", "[fd00::/8]", "fd00::/8"; ":9000" may follow all but the
 * last. Constant once parsed; any thread. */
#ifndef POOL_TARGET_H
#define POOL_TARGET_H
#include "common/err.h"
#include "pool/address.h"
#include "pool/host.h"

enum target_kind { TARGET_NAME, TARGET_SUFFIX /* any name below it, not itself */, TARGET_NETWORK };

struct target {
	enum target_kind kind;
	uint16_t port; /* 0: none was given */
	struct network network;
	char name[HOST_SIZE]; /* lower case; of a suffix with its first dot */
};

/* ERR_INVALID with a sentence that begins with the entry. */
enum err_code target_parse(const char *text, struct target *ret_target, struct err *err) MUST_CHECK;
bool target_has_name(const struct target *target, const char *name); /* `name` in any case */
bool target_has_address(const struct target *target, const struct address *address);
bool target_is_literal(const struct target *target); /* a network of one address */
#endif
