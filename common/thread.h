/* thread.h - a mutex that clang's -Wthread-safety can follow, and how threads start. */
#ifndef COMMON_THREAD_H
#define COMMON_THREAD_H
#include <pthread.h>

#ifdef __clang__
#define THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define THREAD_ATTRIBUTE(x)
#endif
#define CAPABILITY THREAD_ATTRIBUTE(capability("mutex"))
#define REQUIRES(lock) THREAD_ATTRIBUTE(requires_capability(lock))
#define ACQUIRES(lock) THREAD_ATTRIBUTE(acquire_capability(lock))
#define RELEASES(lock) THREAD_ATTRIBUTE(release_capability(lock))
#define NO_THREAD_SAFETY_ANALYSIS THREAD_ATTRIBUTE(no_thread_safety_analysis)

struct CAPABILITY mutex {
	pthread_mutex_t raw;
};

void mutex_init(struct mutex *mutex);
void mutex_free(struct mutex *mutex);
void mutex_lock(struct mutex *mutex) ACQUIRES(*mutex);
void mutex_unlock(struct mutex *mutex) RELEASES(*mutex);

/* Starts a thread with a small stack and every signal blocked; its name (15 bytes at most) shows in
 * top -H. */
int thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *arg);
/* CPUs granted to this process: affinity and the cgroup's quota; at least 1. */
unsigned thread_cpus(void);
#endif
