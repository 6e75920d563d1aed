/* key.c - `batchgate key`: makes an API key, or the hash of one. */
#include "cli/key.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "cli/help.h"
#include "cli/hint.h"
#include "cli/output.h"
#include "common/digest.h"
#include "common/exit_code.h"
#include "common/mem.h"
#include "common/name.h"

enum {
	KEY_MAX_BYTES = 1024,
	RANDOM_CHARS = 32 /* of 62: 190 bits */
};

struct options {
	const char *name;
	bool hash;
};

/* False, so that it can be returned. */
static bool refuse(const char *what, const char *argument)
{
	fprintf(stderr, "batchgate key: %s%s\n", what, argument);
	help_print_usage(COMMAND_KEY, stderr);
	return false;
}

static bool is_name(const char *name)
{
	return name_valid(name) && strcmp(name, "anonymous") != 0;
}

static bool refuse_argument(const char *argument, bool hash)
{
	char hint[CONFIG_QUOTE_SIZE];

	if (strcmp(argument, command_flags[FLAG_KEY_NAME].name) == 0)
		return refuse("--name: needs a value", "");
	if (argument[0] != '-' && (hash || strncmp(argument, "bg_", 3) == 0))
		return refuse(
			"--hash reads the key from standard input, where no other sees it", "");
	hint_flag(COMMAND_KEY, argument, hint);
	if (argument[0] != '-' && is_name(argument))
		snprintf(hint, sizeof hint, "; did you mean --name %s?", argument);
	fprintf(stderr, "batchgate key: what is %s%s\n", argument, hint);
	help_print_usage(COMMAND_KEY, stderr);
	return false;
}

/* False: what is wrong was told. */
static bool read_options(int argc, char *const *argv, struct options *options)
{
	const char *hash = command_flags[FLAG_KEY_HASH].name,
		   *name = command_flags[FLAG_KEY_NAME].name;
	size_t len = strlen(name);

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], hash) == 0)
			options->hash = true;
		else if (strncmp(argv[i], name, len) == 0 && argv[i][len] == '=')
			options->name = argv[i] + len + 1;
		else if (strcmp(argv[i], name) == 0 && i + 1 < argc)
			options->name = argv[++i];
		else
			return refuse_argument(argv[i], options->hash);
	}
	if (options->hash && options->name)
		return refuse("--name and --hash do not go together", "");
	if (options->name && !is_name(options->name))
		return refuse("not a name: ", options->name);
	return true;
}

/* Base 62 without a bias: bytes past the last whole multiple are thrown again. */
static bool make_key(char ret_key[RANDOM_CHARS + 4])
{
	static const char digits[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	size_t len = 3;

	memcpy(ret_key, "bg_", 3);
	while (len < RANDOM_CHARS + 3) {
		uint8_t byte;
		ssize_t n = getrandom(&byte, 1, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n != 1)
			return false;
		if (byte < 62 * 4)
			ret_key[len++] = digits[byte % 62];
	}
	ret_key[len] = '\0';
	return true;
}

static int print_new(const char *name)
{
	char key[RANDOM_CHARS + 4], hex[DIGEST_HEX_SIZE];
	uint8_t digest[DIGEST_BYTES];

	if (!make_key(key)) {
		fprintf(stderr, "batchgate key: no randomness: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	digest_sha256(key, strlen(key), digest);
	digest_hex(digest, hex);
	printf("key:    %s\nsha256: %s\n\n", key, hex);
	printf("Give the key to the caller, who sends it as `Authorization: Bearer KEY`. It is "
	       "shown only now; the\n"
	       "server keeps its hash. In the configuration file:\n\n");
	printf("auth:\n  keys:\n    - name: %s\n      sha256: [\"%s\"]\n\n", name, hex);
	printf("or in the environment:\n\nBATCHGATE_AUTH_KEYS=%s:%s\n", name, hex);
	mem_wipe(key, sizeof key);
	return output_end("key");
}

/* The key's length, or 0: what is wrong was told. */
static size_t read_key(char key[KEY_MAX_BYTES + 3])
{
	size_t len = fread(key, 1, KEY_MAX_BYTES + 3, stdin);
	bool sound = true;

	if (len > 0 && key[len - 1] == '\n')
		len--;
	if (len > 0 && key[len - 1] == '\r')
		len--;
	if (len == 0)
		sound = refuse("no key on standard input", "");
	else if (len > KEY_MAX_BYTES)
		sound = refuse("the key is too long", "");
	for (size_t i = 0; sound && i < len; i++)
		if (key[i] <= ' ' || key[i] > '~')
			sound = refuse("a key is one line of ASCII without blanks", "");
	return sound ? len : 0;
}

static int print_hash(void)
{
	char key[KEY_MAX_BYTES + 3], hex[DIGEST_HEX_SIZE];
	size_t len = read_key(key);
	uint8_t digest[DIGEST_BYTES];

	if (len == 0)
		return EXIT_USAGE;
	digest_sha256(key, len, digest);
	digest_hex(digest, hex);
	mem_wipe(key, sizeof key);
	printf("%s\n", hex);
	return output_end("key");
}

int key_run(int argc, char *const *argv)
{
	struct options options = {NULL, false};

	if (!read_options(argc, argv, &options))
		return EXIT_USAGE;
	return options.hash ? print_hash() : print_new(options.name ? options.name : "team-a");
}
