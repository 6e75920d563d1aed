/* request_id.c - the id that an answer, its log lines and its problems share. */
#include "server/request_id.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/name.h"

bool request_id_valid(const char *id)
{
	size_t len = name_span(id);

	return len >= 1 && len <= REQUEST_ID_MAX && !id[len];
}

void request_id_choose(const char *given, char ret_id[REQUEST_ID_MAX + 1])
{
	unsigned char bytes[16];
	uint64_t now = clock_us();

	if (given && request_id_valid(given)) {
		memcpy(ret_id, given, strlen(given) + 1);
		return;
	}
	if (getrandom(bytes, sizeof bytes, 0) !=
		(ssize_t)sizeof bytes) { /* an id is no secret: the time will do */
		memset(bytes, 0, sizeof bytes);
		memcpy(bytes, &now, sizeof now);
	}
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(ret_id + 2 * i, 3, "%02x", bytes[i]);
}
