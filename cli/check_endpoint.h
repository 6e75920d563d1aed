/* check_endpoint.h - `batchgate check --endpoint NAME --item JSON`: what would be sent for an item,
 * and what becomes of an answer, without calling out. */
#ifndef CLI_CHECK_ENDPOINT_H
#define CLI_CHECK_ENDPOINT_H
#include "common/config.h"

struct forker;

struct check_trial {                        /* of the command line; NULL: not given */
	const char *endpoint;               /* not NULL */
	const char *item, *params, *answer; /* JSON or @FILE; answer: a file, the body of a 200 */
};

/* Prints to stdout what comes of it, and to stderr what is wrong. The configuration is one that was
 * judged. The exit code: 0; 1 where the item would fail; 2 where the arguments are wrong. */
int check_endpoint(struct config *config, struct forker *forker, const struct check_trial *trial);
#endif
