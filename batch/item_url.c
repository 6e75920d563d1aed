/* item_url.c - what is wrong with an item's url, in words. */
#include "batch/item_url.h"

#include <string.h>

static const struct span none = {NULL, 0};

/* The same words whatever targets.allow holds: no caller learns of it. */
static void blame_port(const struct url *url, struct fault *fault)
{
	bool v6 = url->host && strchr(url->host, ':');

	if (!url->host || url->port == 0) /* no entry opens port 0 */
		fault_add(fault, REASON_PORT_DENIED, "/url", none,
			"port %u is not one that may be called", url->port);
	else
		fault_add(fault, REASON_PORT_DENIED, "/url", none,
			"%.255s: port %u is not one that may be called here unless the operator "
			"opens it (targets.allow, with :%u behind %s)",
			url->host, url->port, url->port, v6 ? "the address in []" : "the host");
}

static bool has_scheme(struct span text)
{
	return memmem(text.ptr, text.len, "://", 3) != NULL;
}

void item_url_blame(
	enum item_reason reason, struct span text, const struct url *url, struct fault *fault)
{
	const char *host = url->host ? url->host : "";

	switch (reason) {
	case REASON_HOST_INVALID:
		fault_add(fault, reason, "/url", none,
			"the host in `url` is not written in its one normal form: labels of 1 to "
			"63 letters, digits, - or _, no dot at the end, an IPv4 address as four "
			"decimal numbers");
		return;
	case REASON_SCHEME_DENIED:
		fault_add(fault, reason, "/url", none, "only http and https URLs may be called");
		return;
	case REASON_USERINFO_DENIED:
		fault_add(fault, reason, "/url", none,
			"`url` must not hold a user name or a password: send an Authorization "
			"header instead");
		return;
	case REASON_PORT_DENIED:
		blame_port(url, fault);
		return;
	case REASON_HOST_DENIED:
		fault_add(fault, reason, "/url", none,
			"%.255s is not a host that may be called from here unless the operator "
			"opens it (targets.allow)",
			host);
		return;
	case REASON_ADDRESS_DENIED:
		fault_add(fault, reason, "/url", none,
			"%.255s is not an address that may be called from here unless the operator "
			"opens it (targets.allow)",
			host);
		return;
	default:
		if (reason == REASON_URL_INVALID && !has_scheme(text)) {
			fault_add(fault, reason, "/url", none,
				"`url` does not begin with http:// or https://");
			return;
		}
		fault_add(fault, reason, "/url", none,
			"`url` must be http:// or https://, a host, a port of 1 to 65535 if any, "
			"and printable ASCII without spaces, quotes or <>\\^{|}` (percent-encode "
			"them), at most %d bytes",
			URL_MAX_BYTES);
	}
}
