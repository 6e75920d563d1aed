/* confined.c - runs a command as far as can be had without systemd under what a unit takes away:
 *
 *   confined CALLS FAMILIES COMMAND [ARGUMENT ...]
 *
 * CALLS is a file of names of system calls, one a line: SystemCallFilter; every other one fails
 * with EPERM: SystemCallErrorNumber. FAMILIES is numbers with commas: RestrictAddressFamilies.
 * Besides: NoNewPrivileges, MemoryDenyWriteExecute, RestrictNamespaces. */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <unistd.h>

enum {
	SET_MDWE = 65, /* PR_SET_MDWE of Linux 6.3; older headers lack it */
	MDWE_REFUSE_EXEC_GAIN = 1
};

static void need(int failed, const char *what)
{
	if (failed == 0)
		return;
	fprintf(stderr, "confined: %s: %s\n", what, strerror(failed < 0 ? -failed : errno));
	exit(125);
}

static scmp_filter_ctx begin(uint32_t otherwise)
{
	scmp_filter_ctx filter = seccomp_init(otherwise);

	need(filter ? 0 : -ENOMEM, "seccomp_init");
	return filter;
}

static void load(scmp_filter_ctx filter)
{
	need(seccomp_load(filter), "seccomp_load");
	seccomp_release(filter);
}

static void allow_calls(const char *path)
{
	scmp_filter_ctx filter = begin(SCMP_ACT_ERRNO(EPERM));
	FILE *file = fopen(path, "re");
	char name[128];

	need(file ? 0 : 1, path);
	while (fscanf(file, "%127s", name) == 1) {
		int call = seccomp_syscall_resolve_name(name);

		if (call !=
			__NR_SCMP_ERROR) /* of another architecture, or younger than the library */
			need(seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0), name);
	}
	fclose(file);
	load(filter);
}

static void refuse_when(scmp_filter_ctx filter, int call, struct scmp_arg_cmp when)
{
	need(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 1, when), "a rule");
}

static void refuse_writable_code(void)
{
	const scmp_datum_t wx = PROT_WRITE | PROT_EXEC;
	scmp_filter_ctx filter = begin(SCMP_ACT_ALLOW);

	refuse_when(filter, SCMP_SYS(mmap), SCMP_A2_64(SCMP_CMP_MASKED_EQ, wx, wx));
	refuse_when(
		filter, SCMP_SYS(mprotect), SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
	refuse_when(filter, SCMP_SYS(pkey_mprotect),
		SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
	refuse_when(filter, SCMP_SYS(shmat), SCMP_A2_64(SCMP_CMP_MASKED_EQ, SHM_EXEC, SHM_EXEC));
	load(filter);
	/* Where the kernel knows it: it also sees what the filter cannot. */
	prctl(SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0);
}

static void refuse_namespaces(void)
{
	static const int each[] = {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
		CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET};
	scmp_filter_ctx filter = begin(SCMP_ACT_ALLOW);
	struct scmp_arg_cmp none = SCMP_A1_64(SCMP_CMP_EQ, 0, 0);

	for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
		struct scmp_arg_cmp one = SCMP_A0_64(
			SCMP_CMP_MASKED_EQ, (scmp_datum_t)each[i], (scmp_datum_t)each[i]);

		refuse_when(filter, SCMP_SYS(clone), one);
		refuse_when(filter, SCMP_SYS(unshare), one);
	}
	refuse_when(filter, SCMP_SYS(setns), none);
	/* Its flags lie in memory, where no filter looks. */
	need(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0), "clone3");
	load(filter);
}

static void refuse_families(char *allowed)
{
	scmp_filter_ctx filter = begin(SCMP_ACT_ALLOW);
	bool open[64] = {false};

	for (char *part = strtok(allowed, ","); part; part = strtok(NULL, ","))
		open[strtoul(part, NULL, 10) % 64] = true;
	for (unsigned family = 0; family < 64; family++)
		if (!open[family])
			need(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT),
				     SCMP_SYS(socket), 1, SCMP_A0_64(SCMP_CMP_EQ, family, 0)),
				"a family");
	load(filter);
}

int main(int argc, char *argv[])
{
	if (argc < 4) {
		fprintf(stderr, "usage: confined CALLS FAMILIES COMMAND [ARGUMENT ...]\n");
		return 2;
	}
	need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	refuse_writable_code();
	refuse_namespaces();
	refuse_families(argv[2]);
	allow_calls(argv[1]); /* last: what the others need may not be on the list */
	execv(argv[3], argv + 3);
	perror(argv[3]);
	return 127;
}
