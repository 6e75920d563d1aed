/* auth.c - which caller a key belongs to. */
#include "server/auth.h"

#include <string.h>
#include <strings.h>

#include "common/digest.h"
#include "common/mem.h"

struct known { /* one hash of one key; a key has several while it is being rotated */
	uint8_t digest[DIGEST_BYTES];
	struct caller *caller; /* borrowed from `callers` */
};

struct auth {
	struct caller *anonymous; /* NULL: nobody is */
	struct caller **callers;
	size_t caller_count;
	struct known *known;
	size_t known_count;
};

static size_t count_hashes(const struct config *config)
{
	size_t count = 0;

	for (size_t i = 0; i < config->auth.key_count; i++)
		count += config->auth.keys[i].sha256_count;
	return count;
}

static enum err_code add_key(struct auth *auth, const struct config_key *key)
{
	struct caller *caller = caller_new(key->name, key->ad_hoc, key->admin);

	if (!caller)
		return ERR_NOMEM;
	auth->callers[auth->caller_count++] = caller;
	if (!caller_restrict(caller, key->endpoints.items, key->endpoints.count))
		return ERR_NOMEM;
	for (size_t i = 0; i < key->sha256_count; i++) {
		struct known *known = &auth->known[auth->known_count++];

		memcpy(known->digest, key->sha256[i], DIGEST_BYTES);
		known->caller = caller;
	}
	return ERR_OK;
}

enum err_code auth_new(const struct config *config, struct auth **ret_auth, struct err *err)
{
	struct auth *auth = mem_try(sizeof *auth);
	bool keys = config->auth.key_count > 0;

	if (!auth)
		goto fail;
	auth->callers = mem_try(config->auth.key_count * sizeof(struct caller *));
	auth->known = mem_try(count_hashes(config) * sizeof *auth->known);
	if (!auth->callers || !auth->known)
		goto fail;
	if (!keys || config->auth.allow_anonymous) {
		/* Without any key, who can reach the server may do everything. */
		auth->anonymous = caller_new("anonymous", true, !keys);
		if (!auth->anonymous)
			goto fail;
	}
	for (size_t i = 0; i < config->auth.key_count; i++)
		if (add_key(auth, &config->auth.keys[i]) != ERR_OK)
			goto fail;
	*ret_auth = auth;
	return ERR_OK;
fail:
	auth_destroy(auth);
	return err_set(err, ERR_NOMEM, "no memory for the table of keys");
}

void auth_destroy(struct auth *auth)
{
	if (!auth)
		return;
	for (size_t i = 0; auth->callers && i < auth->caller_count; i++)
		caller_unref(auth->callers[i]);
	caller_unref(auth->anonymous);
	mem_free(auth->callers);
	mem_free(auth->known);
	mem_free(auth);
}

/* The key in `Bearer KEY`, or an empty span. */
static struct span bearer_of(const char *authorization)
{
	static const char scheme[] = "Bearer";
	const char *key = authorization + sizeof scheme - 1;
	size_t len;

	if (strncasecmp(authorization, scheme, sizeof scheme - 1) != 0 || *key != ' ')
		return (struct span){0};
	key += strspn(key, " ");
	len = strlen(key);
	while (len > 0 && (key[len - 1] == ' ' || key[len - 1] == '\t'))
		len--;
	return (struct span){key, len};
}

static unsigned difference(const uint8_t *a, const uint8_t *b)
{
	unsigned diff = 0;

	for (size_t i = 0; i < DIGEST_BYTES; i++)
		diff |= (unsigned)(a[i] ^ b[i]);
	return diff;
}

/* Walks all hashes, whichever of them it is. */
static size_t find_known(const struct auth *auth, struct span key)
{
	uint8_t digest[DIGEST_BYTES];
	size_t found = 0; /* index + 1 */

	digest_sha256(key.ptr, key.len, digest);
	for (size_t i = 0; i < auth->known_count; i++) {
		size_t same = (size_t)((difference(digest, auth->known[i].digest) - 1u) >>
				       31); /* 1 only for 0 */

		found |= (i + 1) & ((size_t)0 - same);
	}
	mem_wipe(digest, sizeof digest);
	return found;
}

struct caller *auth_check(const struct auth *auth, const char *authorization)
{
	struct span key;
	size_t found;

	if (auth->caller_count == 0 || !authorization)
		return auth->anonymous ? caller_ref(auth->anonymous) : NULL;
	key = bearer_of(authorization);
	if (key.len == 0)
		return NULL;
	found = find_known(auth, key);
	return found ? caller_ref(auth->known[found - 1].caller) : NULL;
}
