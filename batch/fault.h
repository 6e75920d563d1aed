/* fault.h - what a client got wrong in an object of the request, and where.
 *
 * A reader adds what it finds. With a problem behind it (defaults, options) all of it becomes
 * entries of a 400; without one (an item) the first is kept and becomes the item's error. One
 * owner, one thread. */
#ifndef BATCH_FAULT_H
#define BATCH_FAULT_H
#include <stdbool.h>

#include "common/code.h"
#include "common/problem.h"

enum { FAULT_POINTER_MAX = 320, FAULT_MESSAGE_MAX = 320, FAULT_NAME_MAX = 128 };

struct fault {
	struct problem *problem; /* NULL: only the first is kept */
	const char *base;        /* JSON Pointer of the object that is read */
	bool any;
	enum item_reason reason;         /* of the first, as are these: */
	char pointer[FAULT_POINTER_MAX]; /* below base */
	char message[FAULT_MESSAGE_MAX];
};

void fault_init(struct fault *fault, struct problem *problem, const char *base);
/* False where one more would only be counted (and now is): no need to word it. */
bool fault_wants(struct fault *fault);
/* `path` is the pointer below base ("", "/url"); `name` a JSON string (quotes included) that is one
 * more segment; an empty one is none. Gives ERR_INVALID. */
enum err_code fault_add(struct fault *fault, enum item_reason reason, const char *path,
	struct span name, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* A JSON string (quotes included), or one that is decoded already, for people: cut, control bytes
 * as `?`. */
void fault_quote(struct span name, char ret_text[FAULT_NAME_MAX]);
void fault_quote_decoded(struct span text, char ret_text[FAULT_NAME_MAX]);
/* Adds "/text" (decoded; cut where it is long), escaped as RFC 6901 says, where it fits. */
void fault_point(char pointer[FAULT_POINTER_MAX], struct span text);
#endif
