/* transport_lane.c - lanes: which one a call goes to, and how many connections each may keep.
 *
 * A lane needs LANE_MAX connections at most, one for each call; that many are counted with the
 * calls. What a worker may keep beside them, idle, is given out to lanes for their life. One that
 * is made because all others are full of calls gets up to LANE_CONNECTIONS of it together with its
 * own; one that is made because all others are full of connections must find them all there.
 * No lane has more: libcurl looks at each idle connection once a second, from the first on again
 * for each that it finds closed, and at all of them to find the oldest.
 *
 * A call goes *home*, to the lane that the last one of its upstream went to. An upstream whose
 * connection had to take the place of another one looks for a new home, if there is one. */
#include "pool/transport_internal.h"

#include "common/clock.h"
#include "common/mem.h"

enum {
	LANE_FILES = 2, /* libcurl's own, of each */
	LANE_WHOLE = LANE_CONNECTIONS + LANE_FILES
};

/* ---- one lane ---- */

static int on_timer(CURLM *multi, long timeout_ms, void *lane_arg)
{
	struct lane *lane = lane_arg;

	(void)multi;
	lane->due_us = timeout_ms < 0 ? CLOCK_NEVER
				      : lane->transport->now_us + (uint64_t)timeout_ms * 1000;
	return 0;
}

/* An idle connection goes before another is opened: files are bounded. There is one to go, for no
 * lane has less room than transfers: else libcurl would let a call wait for a connection. */
static void set_room(struct lane *lane, size_t room)
{
	lane->room = room;
	curl_multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, (long)room);
	curl_multi_setopt(lane->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)room);
}

static size_t full_room(const struct lane *lane)
{
	size_t room = LANE_MAX + lane->idle_files;

	return room < LANE_CONNECTIONS ? room : LANE_CONNECTIONS;
}

static struct lane *make_lane(struct transport *transport, size_t idle_files)
{
	struct lane *lane = mem_try(sizeof *lane);

	if (!lane)
		return NULL;
	lane->transport = transport;
	lane->due_us = CLOCK_NEVER;
	lane->empty_us = transport->now_us;
	lane->idle_files = idle_files;
	for (size_t i = 0; i < LANE_CONNECTIONS; i++)
		list_init(&lane->multiplexed[i].users);
	lane->multi = curl_multi_init();
	if (!lane->multi) {
		mem_free(lane);
		return NULL;
	}
	curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, transport_watch);
	curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
	curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
	set_room(lane, full_room(lane));
	list_push_back(&transport->lanes, &lane->link);
	transport->lane_count++;
	transport->idle_files += idle_files;
	return lane;
}

/* libcurl does not tell of every close. */
static void forget_lane(struct lane *lane)
{
	struct transport *transport = lane->transport;

	for (size_t i = 0; i < HOMES; i++)
		if (transport->homes[i].lane == lane)
			transport->homes[i] = (struct home){0};
	for (size_t fd = 0; fd < transport->socket_room && lane->connections > 0; fd++)
		if (transport->sockets[fd].counted == lane) {
			transport->sockets[fd].counted = NULL;
			lane->connections--;
		}
}

void transport_drop_lane(struct lane *lane)
{
	struct transport *transport = lane->transport;

	REQUIRE(lane->transfers == 0);
	list_remove(&lane->link);
	transport->lane_count--;
	transport->idle_files -= lane->idle_files;
	transport_watch_begin(lane);
	curl_multi_cleanup(lane->multi);
	transport_watch_end(lane);
	forget_lane(lane);
	mem_free(lane);
}

/* ---- shortage ---- */

static void relax(struct transport *transport)
{
	if (transport->now_us < transport->squeezed_until_us)
		return;
	transport->squeezed_until_us = 0;
	for (struct list_node *node = transport->lanes.next; node != &transport->lanes;
		node = node->next) {
		struct lane *lane = LIST_OF(node, struct lane, link);

		set_room(lane, full_room(lane));
	}
}

bool transport_squeeze(struct transfer *transfer)
{
	struct transport *transport = transfer->transport;

	if (transfer->squeezed)
		return false;
	transport->now_us = clock_us(); /* a look-up asks between the runs */
	transfer->squeezed = true;
	transport->squeezed_until_us = transport->now_us + LANE_IDLE_US;
	for (struct list_node *node = transport->lanes.next; node != &transport->lanes;
		node = node->next) {
		struct lane *lane = LIST_OF(node, struct lane, link);

		if (lane->transfers == 0)
			lane->empty_us = 0; /* transport_run drops it */
		else
			set_room(lane, lane->transfers);
	}
	return true;
}

void transport_make_place(struct lane *lane)
{
	if (lane->room <= lane->transfers)
		set_room(lane, lane->transfers + 1);
}

/* ---- homes ---- */

/* libcurl keeps connections to a proxy that makes no tunnel under the proxy's name. */
static uint64_t route_of(const struct transfer *transfer)
{
	const struct config_proxy *via = transfer->rule->via;
	const struct url *url = call_url(transfer->call);

	return via && !url->https ? transport_mix(via->port, via->host)
				  : transport_mix(0, url->origin);
}

/* In place of another upstream's, where there are too many. */
static struct home *find_home(const struct transport *transport, uint64_t route)
{
	struct home *homes = &transport->homes[route % (HOMES / HOME_WAYS) * HOME_WAYS];
	struct home *home = &homes[route / HOMES % HOME_WAYS];

	for (size_t i = 0; i < HOME_WAYS; i++) {
		if (homes[i].lane && homes[i].route == route)
			return &homes[i];
		if (!homes[i].lane)
			home = &homes[i];
	}
	*home = (struct home){.route = route};
	return home;
}

/* ---- which lane ---- */

static size_t idle_files_left(const struct transport *transport)
{
	size_t most = transport->squeezed_until_us ? 0 : transport->options.idle_files;

	return most > transport->idle_files ? most - transport->idle_files : 0;
}

static bool takes(const struct lane *lane, const struct transfer *transfer)
{
	return lane->transfers < LANE_MAX && (lane->burst == 0 || transfer->burst == 0 ||
						     lane->burst + transfer->burst <= LANE_BURST);
}

/* The first: load gathers in the front lanes; the last ones fall idle and go. A quarter
 * of a lane's room is for its upstreams' further connections, as is what its transfers may open. */
static struct lane *first_with_room(const struct transfer *transfer)
{
	const struct transport *transport = transfer->transport;

	for (struct list_node *node = transport->lanes.next; node != &transport->lanes;
		node = node->next) {
		struct lane *lane = LIST_OF(node, struct lane, link);

		if (takes(lane, transfer) &&
			lane->connections + lane->transfers < lane->room / 4 * 3)
			return lane;
	}
	return NULL;
}

/* Only where another lane has room: else upstreams would wander, and leave connections behind. */
void transport_leave_home(const struct transfer *transfer)
{
	const struct transport *transport = transfer->transport;
	struct home *home = find_home(transport, route_of(transfer));

	if (home->lane == transfer->lane &&
		(idle_files_left(transport) >= LANE_WHOLE || first_with_room(transfer)))
		home->lane = NULL;
}

/* An idle connection of it will go: that is not to be always the same lane's. */
static struct lane *any_with_place(const struct transfer *transfer, uint64_t route)
{
	const struct transport *transport = transfer->transport;
	size_t number = 0, from = transport->lane_count ? route % transport->lane_count : 0;
	struct lane *before = NULL;

	for (struct list_node *node = transport->lanes.next; node != &transport->lanes;
		node = node->next, number++) {
		struct lane *lane = LIST_OF(node, struct lane, link);

		if (!takes(lane, transfer))
			continue;
		if (number >= from)
			return lane;
		before = before ? before : lane;
	}
	return before;
}

static struct lane *find_lane(const struct transfer *transfer, uint64_t route)
{
	struct transport *transport = transfer->transport;
	const size_t left = idle_files_left(transport), most = LANE_CONNECTIONS - LANE_MAX;
	struct lane *lane = first_with_room(transfer);

	if (!lane && left >= LANE_WHOLE)
		lane = make_lane(transport, LANE_WHOLE);
	if (!lane)
		lane = any_with_place(transfer, route);
	if (!lane)
		lane = make_lane(transport, left < most ? left : most);
	return lane;
}

struct lane *transport_choose_lane(struct transfer *transfer)
{
	struct transport *transport = transfer->transport;
	uint64_t route = route_of(transfer);
	struct home *home;

	if (transport->squeezed_until_us)
		relax(transport);
	home = find_home(transport, route);
	if (!home->lane || !takes(home->lane, transfer))
		home->lane = find_lane(transfer, route);
	return home->lane;
}
