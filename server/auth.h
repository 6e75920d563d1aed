/* auth.h - which caller a key belongs to.
 *
 * Immutable, so any thread may ask; a reload makes another one. */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H
#include "common/caller.h"
#include "common/config.h"
#include "common/err.h"

struct auth;

enum err_code auth_new(
	const struct config *config, struct auth **ret_auth, struct err *err) MUST_CHECK;
void auth_destroy(struct auth *auth); /* NULL is fine */
/* `authorization` is the field's value or NULL. A reference to the caller: of the key (`Bearer
 * KEY`), or anonymous where no keys exist or allow_anonymous holds and none was sent. NULL:
 * refused. Takes the same time for every key that is wrong: the SHA-256 of what was sent is
 * compared with every known hash, without branching on the bytes. */
struct caller *auth_check(const struct auth *auth, const char *authorization);
#endif
