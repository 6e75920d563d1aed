/* request_id.h - the id that an answer, its log lines and its problems share. Any thread. */
#ifndef SERVER_REQUEST_ID_H
#define SERVER_REQUEST_ID_H
#include <stdbool.h>

enum { REQUEST_ID_MAX = 128 };

bool request_id_valid(const char *id); /* 1 to 128 of A-Za-z0-9._- */
/* The client's where it is one (NULL is fine), else a new one: 32 random hexadecimal digits. */
void request_id_choose(const char *given, char ret_id[REQUEST_ID_MAX + 1]);
#endif
