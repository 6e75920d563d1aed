/* bareloop.c - the yardstick: the least that libcurl and epoll need for N calls, with nothing
 * around them.
 *
 * bareloop CALLS IN_FLIGHT THREADS LANE_MAX URL... : each thread has one epoll set and as many curl
 * multis (lanes) of at most LANE_MAX transfers as its share of IN_FLIGHT asks. Easy handles are
 * made once and reused, connections stay alive. With THREADS 1 and LANE_MAX = IN_FLIGHT this is one
 * bare multi. Answers are read and dropped. Prints one line of JSON: calls, failures, CPU and wall
 * time of the loop, the largest resident size. */
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, FD_MAX = 65536 };

struct lane {
	struct loop *loop;
	CURLM *multi;
	uint64_t due_us; /* UINT64_MAX: no timer */
	size_t running;
};

struct loop {
	pthread_t thread;
	int epoll_fd;
	size_t lanes_used, in_flight;
	struct lane *lanes;
};

static char **urls;
static size_t url_count, lane_max;
static long buffer_size = CURL_MAX_WRITE_SIZE;
static atomic_long left, failures, next_url;
static struct lane *lane_of[FD_MAX]; /* by descriptor; each belongs to one thread at a time */

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct lane *lane = arg;
	struct epoll_event event = {.data.fd = fd};

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(lane->loop->epoll_fd, EPOLL_CTL_DEL, fd, &event);
		return 0;
	}
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	lane_of[fd] = lane;
	epoll_ctl(lane->loop->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
	curl_multi_assign(lane->multi, fd, lane);
	return 0;
}

static int on_timer(CURLM *multi, long wait_ms, void *arg)
{
	struct lane *lane = arg;

	(void)multi;
	lane->due_us = wait_ms < 0 ? UINT64_MAX : now_us() + (uint64_t)wait_ms * 1000;
	return 0;
}

static size_t drop_bytes(char *bytes, size_t size, size_t count, void *arg)
{
	(void)bytes;
	(void)arg;
	return size * count;
}

static void add(struct lane *lane, CURL *easy)
{
	size_t turn = (size_t)atomic_fetch_add_explicit(&next_url, 1, memory_order_relaxed);

	curl_easy_setopt(easy, CURLOPT_URL, urls[turn % url_count]);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop_bytes);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, buffer_size);
	curl_multi_add_handle(lane->multi, easy);
	lane->running++;
}

/* Takes what has ended; gives each handle its next call as long as there are any. */
static void reap(struct lane *lane)
{
	struct CURLMsg *message;
	int more;

	while ((message = curl_multi_info_read(lane->multi, &more))) {
		CURL *easy = message->easy_handle;
		CURLcode code = message->data.result;
		long status = 0;

		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		if (code != CURLE_OK || status != 200)
			atomic_fetch_add(&failures, 1);
		curl_multi_remove_handle(lane->multi, easy);
		lane->running--;
		if (atomic_fetch_sub_explicit(&left, 1, memory_order_relaxed) > 0) {
			curl_easy_reset(easy);
			add(lane, easy);
		} else {
			curl_easy_cleanup(easy);
		}
	}
}

static int wait_ms(struct loop *loop)
{
	uint64_t due = UINT64_MAX, now = now_us();

	for (size_t i = 0; i < loop->lanes_used; i++)
		if (loop->lanes[i].due_us < due)
			due = loop->lanes[i].due_us;
	if (due == UINT64_MAX)
		return -1;
	return due <= now ? 0 : (int)((due - now + 999) / 1000);
}

static void fire_timers(struct loop *loop)
{
	uint64_t now = now_us();
	int running;

	for (size_t i = 0; i < loop->lanes_used; i++) {
		struct lane *lane = &loop->lanes[i];

		if (lane->due_us > now)
			continue;
		lane->due_us = UINT64_MAX;
		curl_multi_socket_action(lane->multi, CURL_SOCKET_TIMEOUT, 0, &running);
		reap(lane);
	}
}

static size_t still_running(const struct loop *loop)
{
	size_t sum = 0;

	for (size_t i = 0; i < loop->lanes_used; i++)
		sum += loop->lanes[i].running;
	return sum;
}

static void open_lane(struct loop *loop, struct lane *lane, size_t transfers)
{
	lane->loop = loop;
	lane->due_us = UINT64_MAX;
	lane->multi = curl_multi_init();
	curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
	curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
	curl_multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, (long)transfers);
	while (transfers-- && atomic_fetch_sub_explicit(&left, 1, memory_order_relaxed) > 0)
		add(lane, curl_easy_init());
}

static void turn_events(struct loop *loop)
{
	struct epoll_event events[EVENTS];
	int running, got = epoll_wait(loop->epoll_fd, events, EVENTS, wait_ms(loop));

	for (int i = 0; i < got; i++) {
		struct lane *lane = lane_of[events[i].data.fd];
		int what = 0;

		if (events[i].events & (EPOLLIN | EPOLLHUP))
			what |= CURL_CSELECT_IN;
		if (events[i].events & EPOLLOUT)
			what |= CURL_CSELECT_OUT;
		if (events[i].events & EPOLLERR)
			what |= CURL_CSELECT_ERR;
		curl_multi_socket_action(lane->multi, events[i].data.fd, what, &running);
		reap(lane);
	}
}

static void *run(void *arg)
{
	struct loop *loop = arg;
	size_t todo = loop->in_flight;

	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->lanes = calloc((todo + lane_max - 1) / lane_max, sizeof *loop->lanes);
	while (todo) {
		size_t transfers = todo < lane_max ? todo : lane_max;

		open_lane(loop, &loop->lanes[loop->lanes_used++], transfers);
		todo -= transfers;
	}
	while (still_running(loop)) {
		turn_events(loop);
		fire_timers(loop);
	}
	for (size_t i = 0; i < loop->lanes_used; i++)
		curl_multi_cleanup(loop->lanes[i].multi);
	free(loop->lanes);
	close(loop->epoll_fd);
	return NULL;
}

static uint64_t cpu_us(const struct rusage *usage)
{
	return (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

/* The kernel's own high-water mark: getrusage's is inherited from whoever started us. */
static long memory_kib(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long kib = 0;

	while (file && fgets(line, sizeof line, file))
		if (!strncmp(line, "VmHWM:", 6))
			kib = strtol(line + 6, NULL, 10);
	if (file)
		fclose(file);
	return kib;
}

static void raise_files(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	struct rusage before, after;
	struct loop *loops;
	size_t in_flight, threads;
	uint64_t began;
	long calls;

	if (argc < 6) {
		fputs("usage: bareloop CALLS IN_FLIGHT THREADS LANE_MAX URL...\n", stderr);
		return 2;
	}
	calls = strtol(argv[1], NULL, 10);
	in_flight = strtoul(argv[2], NULL, 10);
	threads = strtoul(argv[3], NULL, 10);
	lane_max = strtoul(argv[4], NULL, 10);
	urls = argv + 5;
	url_count = (size_t)argc - 5;
	if (in_flight >= 1000)
		buffer_size = 1024;
	atomic_store(&left, calls);
	raise_files();
	curl_global_init(CURL_GLOBAL_DEFAULT);
	loops = calloc(threads, sizeof *loops);
	getrusage(RUSAGE_SELF, &before);
	began = now_us();
	for (size_t i = 0; i < threads; i++) {
		loops[i].in_flight = in_flight / threads + (i < in_flight % threads);
		pthread_create(&loops[i].thread, NULL, run, &loops[i]);
	}
	for (size_t i = 0; i < threads; i++)
		pthread_join(loops[i].thread, NULL);
	getrusage(RUSAGE_SELF, &after);
	printf("{\"calls\": %ld, \"failed\": %ld, \"cpu_us\": %llu, \"wall_us\": %llu, "
	       "\"rss_kib\": %ld}\n",
		calls, atomic_load(&failures),
		(unsigned long long)(cpu_us(&after) - cpu_us(&before)),
		(unsigned long long)(now_us() - began), memory_kib());
	free(loops);
	curl_global_cleanup();
	return atomic_load(&failures) != 0;
}
