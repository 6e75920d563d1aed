/* test_template_walls.c - templates: what a helper process has and reaches, even one that was taken
 * over. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "batch/template_jq.h"
#include "pool/confine.h"
#include "tests/harness/check_main.h"
#include "tests/unit/pool/helper_kit.h"

static size_t count_open(pid_t pid)
{
	char path[64];
	size_t count = 0;
	DIR *folder;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	folder = opendir(path);
	if (!folder) { /* not dumpable, and we are not root: that is a wall too */
		ck_assert_int_eq(errno, EACCES);
		return 1 + KIT_SANITIZED;
	}
	for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
		count += entry->d_name[0] != '.';
	closedir(folder);
	return count;
}

static size_t environment_bytes(pid_t pid)
{
	char path[64];
	size_t count = 0;
	FILE *file;
	int c;

	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	file = fopen(path, "re");
	if (!file) {
		ck_assert_int_eq(errno, EACCES);
		return 0;
	}
	while ((c = getc(file)) != EOF)
		count += c != '\0';
	fclose(file);
	return count;
}

START_TEST(a_helper_has_one_descriptor_and_nothing_of_the_environment)
{
	struct helper_kit kit;
	pid_t pids[KIT_CHILDREN_MAX];
	int extra = dup(STDERR_FILENO);

	kit_open(&kit, template_jq_serve, 2);
	kit_run_until_ready(&kit, 2);
	ck_assert_uint_eq(kit_children(forker_pid(kit.forker), pids), 2);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(count_open(pids[i]), 1 + KIT_SANITIZED);
		ck_assert_uint_eq(environment_bytes(pids[i]), 0);
	}
	ck_assert_uint_eq(environment_bytes(forker_pid(kit.forker)), 0);
	close(extra);
	kit_close(&kit);
}
END_TEST

/* Walls are tried by code that does what no jq program should get as far as: a helper that was
 * taken over. */
static void trespass_serve(int fd)
{
	char remarks[CONFINE_REMARKS_SIZE];
	struct servant servant;
	struct helper_frame frame;
	struct span bytes;
	long got = -1;

	if (!confine_process(fd, 256u << 20, remarks))
		_exit(1);
	servant_init(&servant, CONFINE_FD);
	if (!servant_ready(&servant, remarks))
		_exit(1);
	while (servant_next(&servant, &frame, &bytes)) {
		if (frame.kind != HELPER_ASK)
			continue;
		switch (bytes.ptr[0]) {
		case 'f':
			got = fork();
			break;
		case 'o':
			got = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
			break;
		case 's':
			got = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
			break;
		case 'x':
			got = execve("/bin/true", (char *[]){NULL}, (char *[]){NULL});
			break;
		case 'k':
			got = kill(getppid(), 0);
			break;
		case 'm':
			got = mprotect((void *)((uintptr_t)&frame & ~(uintptr_t)4095), 4096,
				PROT_READ | PROT_WRITE | PROT_EXEC);
			break;
		default:
			got = 0;
		}
		if (!servant_answer(&servant, frame.id, SPAN(""),
			    got >= 0 ? SPAN("done") : SPAN("refused")))
			_exit(1);
	}
}

START_TEST(a_helper_that_was_taken_over_reaches_nothing)
{
	static const char tries[] = "fosxkm";
	struct helper_kit kit;
	struct kit_answer answer;

	kit_open(&kit, trespass_serve, 1);
	for (size_t i = 0; tries[i]; i++) {
		kit_answer_init(&answer, &kit);
		ck_assert_int_eq(kit_try_ask(&kit, &answer, mem_copy(tries + i, 1), 1,
					 20 * KIT_SECOND, CLOCK_NEVER),
			ERR_OK);
		kit_run(&kit, i + 1);
		ck_assert_uint_eq(answer.times, 1);
		ck_assert_msg(answer.outcome == HELPER_DIED ||
				      (KIT_SANITIZED && span_equals((struct span){answer.text.ptr,
									    answer.text.len},
								"refused")),
			"%c: %s (%s)", tries[i], answer.text.ptr ? answer.text.ptr : "",
			kit.remarks);
		buf_free(&answer.text);
	}
	ck_assert_str_eq(kit.remarks, "");
	kit_close(&kit);
}
END_TEST

int main(void)
{
	TCase *tests = check_case();

	tcase_set_timeout(tests, 280);
	tcase_add_test(tests, a_helper_has_one_descriptor_and_nothing_of_the_environment);
	tcase_add_test(tests, a_helper_that_was_taken_over_reaches_nothing);
	return check_run("template_walls", tests);
}
