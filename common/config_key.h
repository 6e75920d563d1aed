/* config_key.h - auth.keys: who may call, by the SHA-256 of a key.
 *
 * Internal to config*.c. */
#ifndef COMMON_CONFIG_KEY_H
#define COMMON_CONFIG_KEY_H
#include "common/config_fault.h"
#include "common/config_node.h"

enum { CONFIG_HASHES_MAX = 16 };

void config_key_read(struct config_loading *loading, const struct config_node *list,
	const struct setting *setting, const char *key);
/* auth.keys[].sha256 */
void config_key_read_hashes(struct config_loading *loading, const struct config_node *list,
	const char *key, struct config_key *ret_key);
/* `name:hex,name:hex` instead of what the file says; a name that comes again adds its hash to the
 * first. */
void config_key_read_text(struct config_loading *loading, struct config_place place,
	const struct setting *setting, const char *text);
void config_key_free(struct config *config); /* all of them */
#endif
