/* transport_internal.h - shared by the transport*.c files: lanes and what an easy handle is
 * told. */
#ifndef POOL_TRANSPORT_INTERNAL_H
#define POOL_TRANSPORT_INTERNAL_H
#include <curl/curl.h>
#include <time.h>

#include "pool/transport.h"

enum {
	TRANSFER_HEADERS_FREE = 8 * 1024, /* bytes of header fields that are not charged */
	LANE_CONNECTIONS = 256,           /* at most */
	LANE_BURST = 64 * 1024,           /* bytes that its transfers may write at once */
	UPLOAD_STEP = 16 * 1024,          /* bytes of a body that libcurl writes at once */
	LANE_IDLE_US = 15 * 1000000,
	HOME_WAYS = 4, /* an upstream may be in so many places of the table */
	HOMES = 1024 * HOME_WAYS
};

struct connection {         /* that HTTP/2 may be spoken over */
	unsigned long id;   /* libcurl's number, in its lane, and 1; 0: none */
	int fd;             /* -1: not known */
	bool goaway;        /* the upstream has said so */
	unsigned long last; /* then: the last stream that it looked at */
	unsigned long code;
	struct list_node users; /* transfers: whose request it is to carry */
};

struct lane {
	struct list_node link; /* in transport.lanes */
	struct transport *transport;
	CURLM *multi;
	unsigned transfers;
	size_t connections;  /* that have carried a request and are open */
	size_t room;         /* for so many of them */
	size_t idle_files;   /* what it has of the transport's */
	size_t burst;        /* of its transfers together */
	uint64_t due_us;     /* libcurl's timer */
	uint64_t empty_us;   /* since when it has had no transfer */
	bool touched;        /* something may have ended in it */
	bool muted;          /* a socket of it is not told that it can be written to */
	uint64_t h2c_origin; /* the last one a connection of HTTP/2 without TLS was made to */
	struct connection multiplexed[LANE_CONNECTIONS]; /* the latest */
};

struct home { /* where the last call of an upstream went: there are its connections */
	uint64_t route;
	struct lane *lane;
};

struct socket_state { /* by descriptor */
	struct lane *lane;
	struct lane *counted;          /* in whose `connections` */
	uint32_t wanted, registered;   /* EPOLLIN | EPOLLOUT */
	uint64_t quiet_turn;           /* when libcurl last said that it wants nothing */
	const struct connection *user; /* what it is the socket of; NULL: not known */
	unsigned idle_writes;          /* how often in a row it could be written to in vain */
	/* the watchdog's */
	unsigned busy_ticks, silent_ticks;
	uint64_t cookie; /* SO_COOKIE; 0: not known */
	uint64_t taken;  /* bytes that had been read from it at the last tick */
	uint64_t told;   /* and at the last one behind a word to us */
};

struct watchdog {
	timer_t timer;
	bool running;
	/* atomic: the signal's handler may come between any two steps */
	_Atomic(struct lane *) lane;            /* in which libcurl is at work; NULL: in none */
	_Atomic uint64_t call;                  /* counts these */
	_Atomic uint64_t words;                 /* counts what libcurl gave us of answers */
	_Atomic(const struct connection *) cut; /* what it shut down last; NULL: none */
	/* the handler's alone */
	unsigned ticks; /* that came in the same call, but for the first */
	uint64_t seen_call, seen_words;
};

struct transport {
	struct transport_options options;
	struct list_node lanes;
	size_t lane_count;
	size_t idle_files;          /* of options.idle_files, those that lanes have */
	struct home *homes;         /* HOMES */
	uint64_t squeezed_until_us; /* files are short; 0: not known to be */
	struct list_node spares;    /* transfers with an easy handle, ready for use */
	struct list_node resting;   /* transfers that go on in the next turn */
	struct socket_state *sockets;
	size_t socket_room;
	CURLSH *share; /* TLS sessions, over the lanes of one worker: no lock */
	struct watchdog watchdog;
	uint64_t now_us;
	uint64_t turn;   /* counts transport_run, from 1 */
	uint64_t writes; /* counts what libcurl said it wrote of requests of HTTP/2 */
	bool silent_end; /* this libcurl repeats what ended without a byte and notes nothing */
	bool joins;      /* this libcurl cannot use a connection of prior knowledge twice */
	bool doubles; /* this libcurl sends again what HTTP/2 found no room for; transport_room.c */
};

enum { HEADER_SECTION_MAX = 256 * 1024 }; /* bytes of all header sections of a transfer */

/* transport_header.c: libcurl's CURLOPT_HEADERFUNCTION */
size_t transport_header(char *bytes, size_t size, size_t count, void *transfer);

/* transport.c */
/* What a callback returns then. */
size_t transport_fail(struct transfer *transfer, enum transfer_fault fault);
/* To the budget, until transport_put. */
bool transport_charge(struct transfer *transfer, size_t bytes);

/* transport_socket.c: libcurl's CURLMOPT_SOCKETFUNCTION */
int transport_watch(CURL *easy, curl_socket_t fd, int what, void *lane, void *socket);
/* A connection that was made for this transfer is about to carry its request. */
void transport_count_connection(struct transfer *transfer);
/* A place in the table for a descriptor that libcurl is about to get. False without memory: libcurl
 * must not get it, for a socket callback that fails stops its whole lane. */
bool transport_reserve_socket(struct lane *lane, int fd) MUST_CHECK;
int transport_close_socket(void *transport, curl_socket_t fd);
/* curl_multi_socket_action */
void transport_drive(struct lane *lane, curl_socket_t fd, int action);

/* transport_watchdog.c: around what makes libcurl read; a socket that holds it up is cut */
void transport_watch_begin(struct lane *lane);
void transport_watch_end(struct lane *lane);
uint64_t transport_watchdog_cookie(int fd); /* 0: the system has none */
/* A tick, when `taken` bytes had been read. first: none was before it in this call of libcurl;
 * told: there was a word to us since the last. true: it floods. */
bool transport_watchdog_tick(struct socket_state *state, uint64_t taken, bool first, bool told);

/* transport_lane.c */
struct lane *transport_choose_lane(struct transfer *transfer); /* NULL without memory */
void transport_drop_lane(struct lane *lane);
void transport_make_place(struct lane *lane);               /* for one more transfer */
void transport_leave_home(const struct transfer *transfer); /* its lane is full of connections */

/* transport_room.c: so that what is written over HTTP/2 finds room */
void transport_note_burst(struct transfer *transfer);          /* before it is given a lane */
void transport_widen(const struct transfer *transfer, int fd); /* a new socket for it */
bool transport_is_backed_up(const struct transfer *transfer, int fd); /* its connection's */

/* transport_body.c: libcurl's CURLOPT_WRITEFUNCTION */
size_t transport_body(char *bytes, size_t size, size_t count, void *transfer);
/* Those that rest go on. A transfer that came to its end over that is told to `over`. */
void transport_end_rest(
	struct transport *transport, void (*over)(struct transfer *transfer, int curl_code));

/* transport_hook.c: libcurl's CURLOPT_OPENSOCKETFUNCTION and CURLOPT_PREREQFUNCTION */
curl_socket_t transport_open_socket(
	void *transfer, curlsocktype purpose, struct curl_sockaddr *address);
int transport_request(void *transfer, char *remote, char *local, int remote_port, int local_port);

/* transport_again.c: what is sent again, and what libcurl says of connections
 * (CURLOPT_DEBUGFUNCTION) */
uint64_t transport_mix(uint64_t hash, const char *text); /* FNV-1a */
int transport_text(CURL *easy, curl_infotype kind, char *bytes, size_t size, void *transfer);
/* Before a request of HTTP/2 is sent: a fault, where it must go another way. */
void transport_note_connection(struct transfer *transfer, int local_port);
/* Whether libcurl may send it once more: each time where it was refused, once where the call can
 * bear it. False: the fault says why. */
bool transport_may_repeat(struct transfer *transfer);
void transport_note_repeated(struct call *call); /* the attempt before is one like any other */
bool transport_wants_own(const struct transfer *transfer); /* connection, for its next try */
bool transport_knows_libcurl(void);                        /* what its texts and silence mean */
void transport_guess_turn(struct transfer *transfer);
bool transport_goes_on(struct transfer *transfer, int curl_code); /* true: to be added again */
/* Behind its end in its lane. `broken_off`: by us. */
void transport_leave_connection(struct transfer *transfer, bool broken_off);
/* The answer's end is not proved: see transport_again.c. */
bool transport_is_doubtful(const struct transfer *transfer);

/* transport_wait.c: libcurl says that it waits for another call's connection */
void transport_note_wait(struct transfer *transfer);

/* transport_stream.c: what only HTTP/2, a proxy or a client certificate can do */
void transport_judge_stream(struct transfer *transfer);    /* CURLE_HTTP2, CURLE_HTTP2_STREAM */
void transport_judge_handshake(struct transfer *transfer); /* of the upstream */
bool transport_is_certificate_alert(const struct transfer *transfer); /* about ours */
/* True where the answer is the proxy's refusal of a request; transport_judge_proxy then. */
bool transport_is_proxy_refusal(const struct transfer *transfer);
void transport_judge_proxy(struct transfer *transfer);
/* False where it was not the proxy. `why`: the system's words for a connection that failed. */
bool transport_judge_tunnel(struct transfer *transfer, int curl_code, const char *why);

/* transport_outcome.c */
const char *transport_phrase(unsigned status); /* " Not Found"; "": not known */

/* transport_facts.c */
unsigned transport_status(const struct transfer *transfer); /* the last one; 0: none */

/* transport_easy.c */
enum err_code transport_easy_new(struct transfer *transfer) MUST_CHECK;
enum err_code transport_easy_init(struct transfer *transfer) MUST_CHECK; /* what never changes */
void transport_easy_clocks(struct transfer *transfer, uint64_t connect_us, uint64_t now_us);
void transport_choose_version(struct transfer *transfer); /* whether it may be HTTP/2 */
void transport_easy_version(struct transfer *transfer);
enum err_code transport_easy_apply(
	struct transfer *transfer, const struct resolver_answer *answer) MUST_CHECK;
#endif
