/* transport.c - calls on the wire: curl easy handles in lanes, driven by a worker's epoll. */
#include "pool/transport_internal.h"

#include <limits.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/mem.h"

void transport_library_init(void)
{
	unsetenv("SSLKEYLOGFILE"); /* libcurl would write the keys of every connection there */
	REQUIRE(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

const char *transport_library_version(void)
{
	return curl_version_info(CURLVERSION_NOW)->version;
}

enum err_code transport_new(
	const struct transport_options *options, struct transport **ret_transport, struct err *err)
{
	struct transport *transport = mem_try(sizeof *transport);

	if (!transport)
		return err_set(err, ERR_NOMEM, "no memory for a transport");
	transport->options = *options;
	transport->turn = 1;
	transport->silent_end = curl_version_info(CURLVERSION_NOW)->version_num >= 0x080000;
	transport->joins = !transport->silent_end;
	transport->doubles = curl_version_info(CURLVERSION_NOW)->version_num < 0x080200;
	list_init(&transport->lanes);
	list_init(&transport->spares);
	list_init(&transport->resting);
	transport->share = curl_share_init();
	transport->homes = mem_try(HOMES * sizeof *transport->homes);
	if (!transport->share || !transport->homes) {
		transport_destroy(transport);
		return err_set(err, ERR_NOMEM, "no memory for a transport");
	}
	curl_share_setopt(transport->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
	*ret_transport = transport;
	return ERR_OK;
}

static void free_transfer(struct transfer *transfer)
{
	if (transfer->easy)
		curl_easy_cleanup(transfer->easy);
	mem_free(transfer->headers);
	mem_free(transfer);
}

/* A lane that is not needed takes as many spare transfers with it. */
static void drop_spares(struct transport *transport, unsigned count)
{
	while (count-- > 0 && !list_empty(&transport->spares))
		free_transfer(LIST_OF(list_pop(&transport->spares), struct transfer, link));
}

void transport_destroy(struct transport *transport)
{
	if (!transport)
		return;
	drop_spares(transport, UINT_MAX);
	while (!list_empty(&transport->lanes))
		transport_drop_lane(LIST_OF(transport->lanes.next, struct lane, link));
	if (transport->share)
		curl_share_cleanup(transport->share);
	mem_free(transport->homes);
	mem_free(transport->sockets);
	mem_free(transport);
}

void transport_set_idle_files(struct transport *transport, size_t idle_files)
{
	transport->options.idle_files = idle_files; /* lanes keep what they have */
}

struct transfer *transport_get(struct transport *transport)
{
	struct list_node *spare = list_pop(&transport->spares);
	struct transfer *transfer;

	if (spare)
		return LIST_OF(spare, struct transfer, link);
	transfer = mem_try(sizeof *transfer);
	if (!transfer)
		return NULL;
	transfer->transport = transport;
	list_init(&transfer->link);
	list_init(&transfer->using);
	list_init(&transfer->resting);
	if (transport_easy_new(transfer) == ERR_OK)
		return transfer;
	free_transfer(transfer);
	return NULL;
}

/* libcurl counts in the handle how often it has silently tried again, over all calls, and gives up
 * at five: a handle that may have done so starts anew, as one does that was told of files or of a
 * proxy. */
static enum err_code renew(struct transfer *transfer)
{
	curl_easy_reset(transfer->easy);
	return transport_easy_init(transfer);
}

/* libcurl keeps the last errno of a handle for good, past a reset too: it would be told again of a
 * later call's end. */
static bool is_stained(const struct transfer *transfer)
{
	long number = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &number);
	return number != 0;
}

void transport_put(struct transport *transport, struct transfer *transfer)
{
	bool clean = transfer->answered && transfer->requests == 1 && !transfer->special;
	bool heavy = transfer->header_bytes > TRANSFER_HEADERS_FREE; /* libcurl keeps them */

	REQUIRE(!transfer->lane);
	list_remove(&transfer->link);
	if (transfer->charged)
		mem_give(transfer->call->budget, transfer->charged);
	curl_slist_free_all(transfer->resolve);
	mem_free(transfer->location);
	decode_destroy(transfer->decode);
	config_unref(transfer->config);
	*transfer = (struct transfer){.transport = transport,
		.easy = transfer->easy,
		.headers = transfer->headers,
		.header_room = transfer->header_room};
	list_init(&transfer->link);
	list_init(&transfer->using);
	list_init(&transfer->resting);
	if (!heavy && !is_stained(transfer) && (clean || renew(transfer) == ERR_OK))
		list_push_front(&transport->spares, &transfer->link);
	else
		free_transfer(transfer);
}

enum err_code transport_start(struct transfer *transfer, const struct resolver_answer *answer)
{
	struct transport *transport = transfer->transport;
	struct lane *lane;

	transport->now_us = clock_us();
	transfer->squeezed = false; /* its look-up may have been */
	transport_choose_version(transfer);
	transport_note_burst(transfer);
	lane = transport_choose_lane(transfer);
	if (!lane)
		return ERR_NOMEM;
	transport_make_place(lane);
	transfer->lane = lane;
	if (transport_easy_apply(transfer, answer) != ERR_OK ||
		curl_multi_add_handle(lane->multi, transfer->easy) != CURLM_OK) {
		transfer->lane = NULL;
		return ERR_NOMEM;
	}
	lane->transfers++;
	lane->burst += transfer->burst;
	return ERR_OK;
}

size_t transport_fail(struct transfer *transfer, enum transfer_fault fault)
{
	transfer->fault = fault;
	return 0; /* libcurl takes a short count for an error and ends the transfer */
}

bool transport_charge(struct transfer *transfer, size_t bytes)
{
	if (!mem_take(transfer->call->budget, bytes))
		return false;
	transfer->charged += bytes;
	return true;
}

static void take_out(struct transfer *transfer)
{
	transport_watch_begin(transfer->lane); /* the end of TLS is read, too */
	curl_multi_remove_handle(transfer->lane->multi, transfer->easy);
	transport_watch_end(transfer->lane);
	list_remove(&transfer->resting);
}

static void leave_lane(struct transfer *transfer, bool broken_off)
{
	struct lane *lane = transfer->lane;

	take_out(transfer);
	transport_leave_connection(transfer, broken_off);
	transfer->lane = NULL;
	lane->burst -= transfer->burst;
	if (--lane->transfers == 0)
		lane->empty_us = lane->transport->now_us;
}

void transport_abort(struct transfer *transfer)
{
	transfer->transport->now_us = clock_us();
	if (!transfer->lane)
		return; /* the handle knows only of the transfer before this one */
	transport_note_facts(transfer);
	leave_lane(transfer, true);
}

/* In its lane, whose connections it wants. */
static bool begin_again(struct transfer *transfer, int code)
{
	if (!transport_goes_on(transfer, code))
		return false;
	take_out(transfer);
	if (curl_multi_add_handle(transfer->lane->multi, transfer->easy) == CURLM_OK)
		return true;
	transfer->fault = TRANSFER_FAULT_NO_MEMORY;
	return false;
}

static void reap(struct lane *lane)
{
	struct transport *transport = lane->transport;
	CURLMsg *message;
	int left;

	lane->touched = false;
	while ((message = curl_multi_info_read(lane->multi, &left))) {
		CURLcode code = message->data.result;
		char *private = NULL;
		struct transfer *transfer;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
		transfer = (struct transfer *)(void *)private;
		if (begin_again(transfer, (int)code))
			continue;
		if (code == CURLE_OK && transfer->fault == TRANSFER_FAULT_FLOOD)
			transfer->fault = TRANSFER_FAULT_NONE; /* its answer was whole before */
		transfer->doubtful = code == CURLE_OK && transport_is_doubtful(transfer);
		leave_lane(transfer,
			code == CURLE_OPERATION_TIMEDOUT || transfer->fault != TRANSFER_FAULT_NONE);
		transport->options.over(transport->options.self, transfer, (int)code);
	}
}

static bool is_stale(const struct lane *lane, uint64_t now_us)
{
	return lane->transfers == 0 && lane->empty_us + LANE_IDLE_US <= now_us;
}

static void end_broken(struct transfer *transfer, int curl_code)
{
	struct transport *transport = transfer->transport;

	leave_lane(transfer, true);
	transport->options.over(transport->options.self, transfer, curl_code);
}

void transport_run(struct transport *transport, uint64_t now_us)
{
	transport->now_us = now_us;
	transport->turn++;
	transport_end_rest(transport, end_broken);
	for (struct list_node *node = transport->lanes.next, *after; node != &transport->lanes;
		node = after) {
		struct lane *lane = LIST_OF(node, struct lane, link);

		after = node->next;
		if (lane->due_us <= now_us) {
			lane->due_us = CLOCK_NEVER; /* on_timer says when again */
			transport_drive(lane, CURL_SOCKET_TIMEOUT, 0);
		}
		if (lane->touched)
			reap(lane);
		if (is_stale(lane, now_us)) {
			drop_spares(transport, LANE_MAX);
			transport_drop_lane(lane);
		}
	}
}

uint64_t transport_due_us(const struct transport *transport)
{
	uint64_t due = CLOCK_NEVER;

	if (!list_empty(&transport->resting))
		return 0;
	for (const struct list_node *node = transport->lanes.next; node != &transport->lanes;
		node = node->next) {
		const struct lane *lane = LIST_OF(node, const struct lane, link);

		if (lane->touched)
			return 0;
		if (lane->due_us < due)
			due = lane->due_us;
		if (lane->transfers == 0 && lane->empty_us + LANE_IDLE_US < due)
			due = lane->empty_us + LANE_IDLE_US;
	}
	return due;
}

size_t transport_lanes(const struct transport *transport)
{
	return transport->lane_count;
}
