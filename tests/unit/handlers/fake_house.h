/* fake_house.h - an exchange, a batch and a pool that do what a test says, in place of the real
 * ones.
 *
 * One thread. What a handler did can be read off the structs; nothing here decides anything. */
#ifndef TESTS_FAKE_HOUSE_H
#define TESTS_FAKE_HOUSE_H
#include "batch/batch.h"
#include "handlers/service.h"

struct exchange { /* set by the test: request, header_*; the rest is what the handler did */
	struct http_request request;
	const struct route *route;
	const char *header_names[8], *header_values[8];
	const char *body;
	size_t charged;
	unsigned replies, status;
	enum problem_code problem;
	char content_type[64];
	char fields[1024]; /* Name: value; */
	char detail[512];
	struct buf reply;
	void *context;
	void (*gone)(void *context);
	void (*destroy)(void *context);
};

enum fake_start { FAKE_LATER, FAKE_AT_ONCE, FAKE_REFUSED };

struct fake_house {
	struct service service;
	struct config config;
	struct config_upstream upstreams[4];
	struct caller *caller;
	struct exchange ex;
	enum fake_start start;
	bool parse_refused, has_room;
	enum http_state state;
	struct upstream_rule_stats rule_stats[4];
	struct upstream_info *infos; /* what the pool tells of, `info_count` of them */
	size_t info_count;
	int batches_alive, guards_alive, streams_alive; /* streams: the batch's and the server's */
	enum pool_cancel cancelled;
	char traceparent[128], tracestate[128];
	struct batch *batch; /* started, not complete */
	struct batch_observer observer;
	struct http_stream_source stream_source; /* of a streamed answer */
	bool streamed, outline;                  /* what batch_parse was told */
	bool stream_cut;                         /* it cannot go on */
	unsigned wakes;
};

#define FAKE_DOCUMENT "{\"results\":[],\"summary\":{}}"

/* A fresh house; only one at a time. `house->ex` is a POST by a caller who may. */
void fake_house_init(struct fake_house *house);
/* The exchange ends as the server would end it: `destroy` is called. Fails the test where anything
 * is left. */
void fake_house_end(struct fake_house *house);
void fake_house_header(struct fake_house *house, const char *name, const char *value);
void fake_house_run(struct fake_house *house, const struct route *route);
void fake_house_complete(struct fake_house *house); /* the batch that runs */
/* The streamed answer has been read, or its reader is gone: the server lets go of it. */
void fake_house_drop_stream(struct fake_house *house);
#endif
