/* http_server_idle.c - connections between two requests, and which of them makes way.
 *
 * Where all places are taken, the connection that has been idle longest is closed for a newcomer: a
 * kept connection costs its client a new one, a refusal costs it its request. One that said nothing
 * since it came is idle too; one whose request is there, though nobody has read it yet, is not.
 * Each thread has the list of its own; others see how long its first has been idle, and ask for it.
 */
#include "server/http_server_internal.h"

#include <sys/socket.h>

#include "common/clock.h"
#include "common/metrics.h"

/* Between two requests of a busy client lies less; who has just come may be about to speak. */
enum { IDLE_LEAST_US = 1000000 };

static struct client *first(const struct http_loop *loop)
{
	return list_empty(&loop->idle) ? NULL : LIST_OF(loop->idle.next, struct client, idle);
}

static void publish(struct http_loop *loop)
{
	const struct client *client = first(loop);

	atomic_store(&loop->idle_since_us, client ? client->idle_since_us : CLOCK_NEVER);
}

void http_idle_init(struct http_loop *loop)
{
	list_init(&loop->idle);
	atomic_init(&loop->wanted, 0);
	publish(loop);
}

void http_idle_begin(struct client *client)
{
	struct http_loop *loop = client->loop;

	client->idle_since_us = clock_us();
	list_push_back(&loop->idle, &client->idle);
	if (first(loop) == client)
		publish(loop);
}

void http_idle_end(struct client *client)
{
	struct http_loop *loop = client->loop;
	bool was_first = first(loop) == client;

	list_remove(&client->idle);
	if (was_first)
		publish(loop);
}

static bool has_spoken(const struct client *client)
{
	char byte;

	return recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* The longest idle one that may make way. Those that have spoken are read in this turn. */
static struct client *find_idle(const struct http_loop *loop)
{
	uint64_t now = clock_us();

	for (struct list_node *node = loop->idle.next; node != &loop->idle; node = node->next) {
		struct client *client = LIST_OF(node, struct client, idle);

		if (client->idle_since_us + IDLE_LEAST_US > now)
			return NULL;
		if (!has_spoken(client))
			return client;
	}
	return NULL;
}

/* libmicrohttpd finds its end, and closes it. */
static bool cut_one(struct http_loop *loop)
{
	struct client *client = find_idle(loop);

	if (!client)
		return false;
	http_idle_end(client);
	shutdown(client->fd, SHUT_RDWR);
	metrics_add(METRIC_CONNECTIONS_MADE_WAY, 1);
	return true;
}

void http_idle_turn(struct http_loop *loop)
{
	for (unsigned wanted = atomic_exchange(&loop->wanted, 0); wanted > 0; wanted--)
		if (!cut_one(loop))
			return;
}

bool http_idle_make_way(struct http_loop *loop, unsigned most)
{
	struct http_server *server = loop->server;
	struct http_loop *longest = loop;

	for (size_t i = 0; i < HTTP_THREADS; i++)
		if (atomic_load(&server->loops[i].idle_since_us) <
			atomic_load(&longest->idle_since_us))
			longest = &server->loops[i];
	if (longest == loop)
		return cut_one(loop);
	if (clock_add(atomic_load(&longest->idle_since_us), IDLE_LEAST_US) > clock_us())
		return false;
	if (atomic_load(&longest->wanted) < most)
		atomic_fetch_add(&longest->wanted, 1);
	http_loop_wake(longest);
	return true;
}
