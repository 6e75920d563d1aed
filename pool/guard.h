/* guard.h - which targets may be called: hosts, ports, addresses (`targets` in the configuration).
 *
 * A guard is made from the configuration once, never changes, and is shared by count: a reload
 * makes another one, and batches keep the one they began with. Asked three times for a call: before
 * anything (host, port, literal address), with every address a name resolved to, and with the very
 * address being connected to. Any thread. */
#ifndef POOL_GUARD_H
#define POOL_GUARD_H
#include "common/code.h"
#include "common/config.h"
#include "common/err.h"
#include "pool/url.h"

struct guard;

/* ERR_INVALID where an entry of allow or deny is not of the form; `err` names it. own_port is our
 * listening port (an own address with it is denied, whatever else holds; 0: unknown). */
enum err_code guard_new(const struct config *config, uint16_t own_port, struct guard **ret_guard,
	struct err *err) MUST_CHECK;
/* One that opens this origin (host and port, whatever address the host has but link-local and
 * metadata ones, unless written as such) and nothing else; deny entries and our own port hold. For
 * calls whose URL is the operator's word. */
enum err_code guard_new_origin(const struct config *config, uint16_t own_port,
	const struct url *url, struct guard **ret_guard, struct err *err) MUST_CHECK;
/* Every entry of allow and deny that is not of the form, a line each in `faults`, as the loading of
 * the configuration tells its own. ERR_INVALID where there is one. */
enum err_code guard_check_config(const struct config *config, struct buf *faults) MUST_CHECK;
struct guard *guard_ref(struct guard *guard);
void guard_unref(struct guard *guard);

/* Host and port rules and, for a literal, the address: NONE, PORT_DENIED, HOST_DENIED,
 * ADDRESS_DENIED. A name that only an allow entry by CIDR could open passes here and is judged by
 * its addresses. */
enum item_reason guard_check_url(const struct guard *guard, const struct url *url);
/* The address that `url`'s host resolved to or that is being connected to: NONE or
 * ADDRESS_DENIED. */
enum item_reason guard_check_address(
	const struct guard *guard, const struct url *url, const struct sockaddr *address);
/* A name that a CNAME of `url`'s host led to: true where a deny entry names it (its port counts),
 * or where it is a local one (localhost, *.internal …) that nothing allows. A host that is allowed
 * by its own name may have local aliases. */
bool guard_denies_alias(const struct guard *guard, const struct url *url, const char *alias);

enum guard_class {
	GUARD_PUBLIC,
	GUARD_PRIVATE,
	GUARD_LOOPBACK,
	GUARD_LINK_LOCAL,
	GUARD_METADATA,
	GUARD_SPECIAL
};
/* What an address is, by the IANA special-purpose registries (as of 2025-10); an unknown family is
 * SPECIAL. Exposed for the table test. */
enum guard_class guard_classify(const struct sockaddr *address);
#endif
