/* template_jq.h - jq in a helper process: compiles programs, and makes one JSON text of another.
 *
 * Everything here runs in a child of the forker, never in the server. Numbers are what the library
 * makes of them: jq 1.6 reads every number as a double (2^53 + 1 becomes 2^53, 1.0 becomes 1,
 * 1e1000 the largest double); jq 1.7 keeps the digits of a number that a program only passes on. */
#ifndef BATCH_TEMPLATE_JQ_H
#define BATCH_TEMPLATE_JQ_H
#include "pool/servant.h"

void template_jq_serve(int fd); /* a forker_serve_fn: confines the process, then serves */
/* The serving alone, for tests within one process; returns when the owner is gone. */
void template_jq_loop(struct servant *servant, const char *remarks);
#endif
