/* test_cgroup.c - the limits of this process's cgroup, read from files made for the test. */
#include "common/cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness/check_main.h"

static char root[64];
static char made[32][256]; /* to be removed, in this order from the end */
static size_t made_count;

static void setup(void)
{
	strcpy(root, "/tmp/batchgate-cgroup-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	made_count = 0;
}

static void teardown(void)
{
	while (made_count > 0)
		remove(made[--made_count]);
	rmdir(root);
}

static void put(const char *path, const char *text)
{
	char name[256];
	FILE *file;

	snprintf(name, sizeof name, "%s%s", root, path);
	for (char *slash = name + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		if (mkdir(name, 0700) == 0)
			snprintf(made[made_count++], sizeof made[0], "%s", name);
		*slash = '/';
	}
	file = fopen(name, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	snprintf(made[made_count++], sizeof made[0], "%s", name);
}

START_TEST(without_files_there_is_no_limit)
{
	ck_assert_uint_eq(cgroup_memory_limit(root), 0);
}
END_TEST

START_TEST(the_smallest_limit_on_the_way_up_counts)
{
	put("/proc/self/cgroup", "0::/a/b\n");
	put("/sys/fs/cgroup/a/b/memory.max", "max\n");
	ck_assert_uint_eq(cgroup_memory_limit(root), 0);
	put("/sys/fs/cgroup/a/memory.max", "1000000\n");
	put("/sys/fs/cgroup/memory.max", "2000000\n");
	ck_assert_uint_eq(cgroup_memory_limit(root), 1000000);
}
END_TEST

START_TEST(in_a_container_the_mount_itself_is_read)
{
	put("/proc/self/cgroup", "0::/../../other\n");
	put("/sys/fs/cgroup/memory.max", "268435456\n");
	ck_assert_uint_eq(cgroup_memory_limit(root), 268435456);
}
END_TEST

START_TEST(version_one_is_read_too_and_its_huge_number_is_no_limit)
{
	put("/proc/self/cgroup", "5:cpu:/\n4:memory:/x\n0::/\n");
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	ck_assert_uint_eq(cgroup_memory_limit(root), 0);
	put("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "5000000\n");
	ck_assert_uint_eq(cgroup_memory_limit(root), 5000000);
}
END_TEST

START_TEST(the_tightest_quota_on_the_way_up_counts_in_whole_cpus)
{
	ck_assert_uint_eq(cgroup_cpus(root), 0);
	put("/proc/self/cgroup", "0::/a/b\n");
	put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
	ck_assert_uint_eq(cgroup_cpus(root), 0);
	put("/sys/fs/cgroup/a/cpu.max", "150000 100000\n");
	put("/sys/fs/cgroup/cpu.max", "300000 50000\n");
	ck_assert_uint_eq(cgroup_cpus(root), 2);
	ck_assert_uint_eq(cgroup_memory_limit(root), 0);
}
END_TEST

START_TEST(a_quota_below_one_cpu_is_one)
{
	put("/proc/self/cgroup", "0::/\n");
	put("/sys/fs/cgroup/cpu.max", "1000 100000\n");
	ck_assert_uint_eq(cgroup_cpus(root), 1);
}
END_TEST

START_TEST(a_quota_of_version_one_is_read_by_its_own_period)
{
	put("/proc/self/cgroup", "5:cpuset:/x\n4:cpuacct,cpu:/x\n0::/\n");
	put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
	put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
	ck_assert_uint_eq(cgroup_cpus(root), 0);
	put("/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "200000\n");
	put("/sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "50000\n");
	ck_assert_uint_eq(cgroup_cpus(root), 4);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, without_files_there_is_no_limit);
	tcase_add_test(tests, the_smallest_limit_on_the_way_up_counts);
	tcase_add_test(tests, in_a_container_the_mount_itself_is_read);
	tcase_add_test(tests, version_one_is_read_too_and_its_huge_number_is_no_limit);
	tcase_add_test(tests, the_tightest_quota_on_the_way_up_counts_in_whole_cpus);
	tcase_add_test(tests, a_quota_below_one_cpu_is_one);
	tcase_add_test(tests, a_quota_of_version_one_is_read_by_its_own_period);
	return check_run("cgroup", tests);
}
