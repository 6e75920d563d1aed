/* confine.c - a helper process takes its own rights away, before it looks at anything from outside.
 */
#include "pool/confine.h"

#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* ---- descriptors and limits ---- */

static bool keep_only(int fd)
{
	if (dup2(fd, CONFINE_FD) < 0)
		return false;
	if (!SANITIZED)
		return close_range(CONFINE_FD + 1, ~0U, 0) == 0;
	close(STDOUT_FILENO);
	return close_range(STDERR_FILENO + 1, ~0U, 0) == 0;
}

static bool limit(__rlimit_resource_t what, rlim_t bound)
{
	const struct rlimit both = {bound, bound};

	return setrlimit(what, &both) == 0;
}

static bool limit_all(size_t memory_bytes)
{
	/* What is open stays usable under a lower limit, but poll() of n descriptors needs n. */
	return limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, 1) && limit(RLIMIT_FSIZE, 0) &&
	       limit(RLIMIT_MSGQUEUE, 0) && limit(RLIMIT_MEMLOCK, 0) &&
	       (SANITIZED || limit(RLIMIT_AS, memory_bytes));
}

/* ---- Landlock: no library wraps it; three system calls and a table of what each version knows
 * ----
 */

struct landlock_rights { /* struct landlock_ruleset_attr as of version 6; older kernels take less */
	uint64_t files, net, scoped;
};

enum {
	LANDLOCK_VERSION = 1, /* the flag of landlock_create_ruleset that asks for it */
	LANDLOCK_NET_FROM = 4,
	LANDLOCK_SCOPED_FROM = 6
};

static struct landlock_rights all_rights(long version)
{
	static const unsigned file_rights[] = {0, 13, 14, 15, 15, 16};
	size_t known = sizeof file_rights / sizeof *file_rights - 1;
	unsigned count = file_rights[(size_t)version < known ? (size_t)version : known];

	return (struct landlock_rights){.files = (UINT64_C(1) << count) - 1,
		.net = version >= LANDLOCK_NET_FROM ? 3 : 0,
		.scoped = version >= LANDLOCK_SCOPED_FROM ? 3 : 0};
}

static size_t rights_size(long version)
{
	if (version >= LANDLOCK_SCOPED_FROM)
		return sizeof(struct landlock_rights);
	return version >= LANDLOCK_NET_FROM ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

/* Handles every right and grants none. Needs a descriptor for a moment: comes before the limits. */
static int forbid_files(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);
	struct landlock_rights rights;
	int rules, failed = 0;

	if (version < 0)
		return errno;
	rights = all_rights(version);
	rules = (int)syscall(SYS_landlock_create_ruleset, &rights, rights_size(version), 0);
	if (rules < 0)
		return errno;
	if (syscall(SYS_landlock_restrict_self, rules, 0) != 0)
		failed = errno;
	close(rules);
	return failed;
}

/* ---- seccomp ---- */

/* Memory, the socket, the clock, and what abort() and the end of a process need. */
static const int free_calls[] = {SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev),
	SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(futex), SCMP_SYS(getrandom), SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
	SCMP_SYS(time), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
	SCMP_SYS(sched_yield), SCMP_SYS(exit), SCMP_SYS(exit_group)};
/* What the sanitizers' run-times ask for besides, most of it to write a report. */
static const int sanitizer_calls[] = {SCMP_SYS(sigaltstack), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(openat), SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(newfstatat),
	SCMP_SYS(readlink), SCMP_SYS(ioctl), SCMP_SYS(prctl), SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(getrusage), SCMP_SYS(uname)};

static int allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
	int failed = 0;

	for (size_t i = 0; i < count && failed == 0; i++)
		failed = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, calls[i], 0, NULL);
	return failed;
}

static int allow_with(
	scmp_filter_ctx filter, int call, struct scmp_arg_cmp first, struct scmp_arg_cmp second)
{
	const struct scmp_arg_cmp both[2] = {first, second};

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 2, both);
}

/* Those that may only do a part of what they can: no page becomes code, no other process is
 * reached, of the limits only that of CPU time moves. */
static int allow_in_part(scmp_filter_ctx filter)
{
	struct scmp_arg_cmp not_code = SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
			    nameless = SCMP_A3_64(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS),
			    own = SCMP_A0_64(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0),
			    own_limits = SCMP_A0_64(SCMP_CMP_EQ, 0, 0),
			    cpu = SCMP_A1_64(SCMP_CMP_EQ, RLIMIT_CPU, 0);
	int failed = allow_with(filter, SCMP_SYS(mmap), not_code, nameless);

	if (failed == 0)
		failed = seccomp_rule_add_array(
			filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, &not_code);
	if (failed == 0)
		failed = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &own);
	if (failed == 0)
		failed = allow_with(filter, SCMP_SYS(prlimit64), own_limits, cpu);
	return failed;
}

static int forbid_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int failed;

	if (!filter)
		return ENOMEM;
	failed = allow(filter, free_calls, sizeof free_calls / sizeof *free_calls);
	if (failed == 0 && SANITIZED)
		failed = allow(
			filter, sanitizer_calls, sizeof sanitizer_calls / sizeof *sanitizer_calls);
	if (failed == 0)
		failed = allow_in_part(filter);
	if (failed == 0)
		failed = seccomp_load(filter);
	seccomp_release(filter);
	return -failed;
}

/* ---- all of it ---- */

static void remark(char remarks[CONFINE_REMARKS_SIZE], const char *what, int failed)
{
	size_t len = strlen(remarks);

	if (failed != 0)
		snprintf(remarks + len, CONFINE_REMARKS_SIZE - len, "%sno %s: %s",
			len > 0 ? "; " : "", what, strerror(failed));
}

bool confine_process(int fd, size_t memory_bytes, char ret_remarks[CONFINE_REMARKS_SIZE])
{
	ret_remarks[0] = '\0';
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0 ||
		!keep_only(fd))
		return false;
	remark(ret_remarks, "Landlock", forbid_files());
	if (!limit_all(memory_bytes))
		return false;
	remark(ret_remarks, "seccomp", forbid_calls());
	return true;
}

/* RLIMIT_CPU goes by the time that ticks of the scheduler found us at work. It runs ahead of
 * CLOCK_PROCESS_CPUTIME_ID, by seconds in the end: that one is no measure of what is left. */
static const clockid_t CLOCK_OF_LIMIT = -8; /* MAKE_PROCESS_CPUCLOCK(0, CPUCLOCK_PROF) */

void confine_grant_cpu(unsigned seconds)
{
	static rlim_t granted; /* this process has one thread and one limit */
	struct rlimit bound;
	struct timespec used;

	if (clock_gettime(CLOCK_OF_LIMIT, &used) != 0 ||
		(rlim_t)used.tv_sec + seconds + 1 == granted || getrlimit(RLIMIT_CPU, &bound) != 0)
		return;
	granted = (rlim_t)used.tv_sec + seconds + 1;
	bound.rlim_cur = granted < bound.rlim_max ? granted : bound.rlim_max;
	setrlimit(RLIMIT_CPU, &bound); /* cannot fail: not past the hard limit */
}
