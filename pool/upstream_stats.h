/* upstream_stats.h - what the pool tells of its upstreams, and of each rule of the configuration.
 * Plain values. */
#ifndef POOL_UPSTREAM_STATS_H
#define POOL_UPSTREAM_STATS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool/breaker.h"

enum { UPSTREAM_TEXT_SIZE = 304, UPSTREAMS_TOLD_MAX = 1000 };

struct upstream_counts { /* since the start */
	uint64_t attempts;
	uint64_t failures;  /* no name, no connection, no TLS; 502, 503, 504: as a breaker counts */
	uint64_t retries;   /* of `attempts`, those that were not a call's first */
	uint64_t throttled; /* attempts answered with 429 */
	uint64_t refused;   /* calls that ended because the breaker was open */
	uint64_t opened;    /* how often the breaker opened */
};

struct upstream_info {
	char origin[UPSTREAM_TEXT_SIZE]; /* "https://api.example.com:8443" */
	size_t rule;                     /* index in the configuration's upstreams */
	enum breaker_state state;
	uint64_t open_us;                  /* how long it will stay open; 0: it is not */
	unsigned failures;                 /* in a row, while closed */
	size_t in_flight, queued, waiting, /* for their next attempt's time */
		retries_in_flight,         /* under a retry budget */
		paused;     /* callers that it asked to wait (429 with Retry-After) */
	uint64_t paused_us; /* how long the last of them still waits */
	unsigned concurrency;
	double rate_per_s;      /* 0: no limit */
	unsigned retry_percent; /* 0: no budget */
	bool has_breaker;
	double attempts_per_s, failures_per_s; /* lately */
	uint64_t idle_us; /* since an attempt began or ended; 0 while anything is in flight */
	struct upstream_counts counts;
};

struct upstream_rule_stats {                     /* over the upstreams of one rule */
	size_t in_flight, queued, waiting, open, /* upstreams whose breaker is open */
		paused;                          /* callers, over all of them */
	struct upstream_counts counts;           /* of those that were forgotten, too */
};
#endif
