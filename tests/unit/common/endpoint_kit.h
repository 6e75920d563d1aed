/* endpoint_kit.h - for tests of named endpoints: one that says all it can, and its environment. */
#ifndef TESTS_UNIT_COMMON_ENDPOINT_KIT_H
#define TESTS_UNIT_COMMON_ENDPOINT_KIT_H
#include <stddef.h>

static char base[] = "BASE=http://10.0.0.1:9000/base", key[] = "KEY=s3cr3t-key-0123",
	    pin[] = "PIN=1234", word[] = "WORD=a b\"c\\d$e", number[] = "NUMBER=7",
	    empty[] = "EMPTY=", bad[] = "BAD=\xff",
	    gemini[] = "GEMINI=https://h/v1?key=0123456789&pin=77",
	    hook[] = "HOOK=http://h/services/T0/B0", spaced[] = "SPACED=  padded-secret  ";
static char *endpoint_env[] = {
	base, key, pin, word, number, empty, bad, gemini, spaced, hook, NULL};

static const char full_endpoint[] =
	"endpoints:\n"
	"  rewrite:\n"
	"    description: Rewrite\n"
	"    method: PUT\n"
	"    url: \"${BASE}/v1/chat?key=${KEY}\"\n"
	"    headers: {Authorization: \"Bearer ${KEY}\", X-Plain: ' a  '}\n"
	"    query: {a: 1, \"b c\": [\"x${PIN}y\", \"$$z\"], none: []}\n"
	"    params:\n"
	"      strategy: {type: string, enum: [a, \"b\"], default: a, description: Which}\n"
	"      size: {type: integer}\n"
	"    request: |\n"
	"      {body: .item, n: $__loc__.line}\n"
	"    response: .body\n"
	"    fallback: '\"${KEY}\"'\n"
	"    concurrency: 10\n"
	"    rate_limit: 3500/min\n"
	"    timeout: 60s\n"
	"    max_items: 100\n"
	"    idempotent: true\n"
	"    expose_errors: false\n"
	"    retry: {max_attempts: 3, backoff: 1s, max_backoff: 2s, retry_on: [429, 503]}\n"
	"    item_check: {test: \".item\", message: no item}\n"
	"  plain: {url: \"https://[::1]:8443\"}\n";
#endif
