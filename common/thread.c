/* thread.c - a mutex that clang's -Wthread-safety can follow, and how threads start. */
#include "common/thread.h"

#include <sched.h>
#include <signal.h>

#include "common/cgroup.h"
#include "common/err.h"

enum {
	STACK_BYTES = 512 * 1024
}; /* libcurl with OpenSSL needs some 100 KiB; the default of 8 MiB is for others */

void mutex_init(struct mutex *mutex)
{
	REQUIRE(pthread_mutex_init(&mutex->raw, NULL) == 0);
}

void mutex_free(struct mutex *mutex)
{
	REQUIRE(pthread_mutex_destroy(&mutex->raw) == 0);
}

void mutex_lock(struct mutex *mutex) NO_THREAD_SAFETY_ANALYSIS
{
	REQUIRE(pthread_mutex_lock(&mutex->raw) == 0);
}

void mutex_unlock(struct mutex *mutex) NO_THREAD_SAFETY_ANALYSIS
{
	REQUIRE(pthread_mutex_unlock(&mutex->raw) == 0);
}

int thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int failed;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(ret_thread, &attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (!failed)
		pthread_setname_np(*ret_thread, name);
	return failed;
}

unsigned thread_cpus(void)
{
	cpu_set_t set;
	unsigned granted = 1, quota = cgroup_cpus("");

	if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
		granted = (unsigned)CPU_COUNT(&set);
	return quota > 0 && quota < granted ? quota : granted;
}
