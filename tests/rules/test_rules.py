#!/usr/bin/python3
"""Each rule finds what it is for, and leaves good code alone."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import rules  # noqa: E402

HEADER = """/* lane.h - a curl multi with at most 64 transfers.
 *
 * One thread. */
#ifndef POOL_LANE_H
#define POOL_LANE_H
#include "common/err.h"

void lane_drop(void); /* volatile, strcpy() and sleep() in a comment are words */
#endif
"""
SOURCE = """/* lane.c - a curl multi with at most 64 transfers. */
#include "pool/lane.h"

#include <stdio.h>

static void count_locked(struct lane *lane)
{
	lane->shared.count++;
}

void lane_drop(void)
{
	puts("strcpy(a, b) and volatile in a string");
}
"""


class Rules(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = Path(self.folder.name)
        self.write("pool/lane.h", HEADER)
        self.write("pool/lane.c", SOURCE)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def found(self, rule):
        return list(rules.RULES[rule](self.root))

    def finds(self, rule, words):
        complaints = self.found(rule)
        self.assertEqual(len(complaints), 1, complaints)
        self.assertIn(words, complaints[0])

    def test_good_code_passes_every_rule(self):
        for rule in rules.RULES:
            if rule != "symbols":
                self.assertEqual(self.found(rule), [], rule)

    def test_an_include_against_the_direction_is_found(self):
        self.write("pool/lane.c", SOURCE.replace("pool/lane.h", "batch/scan.h"))
        self.finds("includes", "pool/lane.c:2: pool/ must not include batch/")

    def test_common_may_not_include_upwards_but_main_may_include_all(self):
        self.write("server/main.c", '#include "batch/scan.h"\n#include "pool/lane.h"\n')
        self.assertEqual(self.found("includes"), [])
        self.write("common/err.c", '#include "pool/lane.h"\n')
        self.finds("includes", "common/ must not include pool/")

    def test_the_daemon_may_include_what_it_builds_but_no_subcommand(self):
        self.write("server/daemon.c", '#include "batch/scan.h"\n#include "handlers/routes.h"\n')
        self.assertEqual(self.found("includes"), [])
        self.write("server/daemon.h", '#include "pool/pool.h"\n')
        self.finds("includes", "server/daemon.h:1: server/ must not include pool/")
        self.write("server/daemon.h", "")
        self.write("server/daemon.c", '#include "cli/run.h"\n')
        self.finds("includes", "server/daemon.c:1: server/ must not include cli/")

    def test_an_include_without_its_folder_is_found(self):
        self.write("pool/lane.c", SOURCE.replace("pool/lane.h", "lane.h"))
        self.finds("includes", "not named from the root")

    def test_a_foreign_library_elsewhere_is_found(self):
        for header in ("curl/curl.h", "ares.h", "zlib.h", "microhttpd.h", "yaml.h", "jansson.h", "openssl/evp.h",
                       "jq.h", "jv.h", "seccomp.h"):
            self.write("pool/lane.c", SOURCE.replace("stdio.h", header))
            self.finds("libraries", header)

    def test_a_foreign_library_at_home_passes(self):
        self.write("pool/transport_easy.c", "#include <curl/curl.h>\n")
        self.write("server/http_server_read.c", "#include <microhttpd.h>\n")
        self.write("pool/url.c", "#include <curl/urlapi.h>\n")
        self.assertEqual(self.found("libraries"), [])

    def test_every_banned_function_is_found(self):
        for names in rules.BANNED:
            for name in names.split():
                self.write("pool/lane.c", SOURCE.replace("puts(", name + "("))
                self.finds("banned", f"{name}()")

    def test_allocation_past_mem_is_found(self):
        self.write("pool/lane.c", SOURCE.replace("puts(", "p = malloc("))
        self.finds("banned", "malloc()")
        self.write("pool/lane.c", SOURCE)
        self.write("common/mem.c", "void *mem_try(void)\n{\n\treturn malloc(1);\n}\n")
        self.assertEqual(self.found("banned"), [])

    def test_longer_names_and_members_are_not_banned(self):
        self.write("pool/lane.c", SOURCE.replace("puts(", "my_strcpy(x->select("))
        self.assertEqual(self.found("banned"), [])

    def test_volatile_is_found(self):
        self.write("pool/lane.c", SOURCE.replace("static void", "static volatile int"))
        self.finds("banned", "volatile")

    def test_a_wrong_guard_is_found(self):
        self.write("pool/lane.h", HEADER.replace("POOL_LANE_H", "LANE_H"))
        self.finds("guards", "POOL_LANE_H")

    def test_a_first_line_of_another_file_is_found(self):
        self.write("pool/lane.c", SOURCE.replace("lane.c -", "loop.c -"))
        self.finds("first-lines", "does not begin")

    def test_a_c_file_that_says_something_else_than_its_header_is_found(self):
        self.write("pool/lane.c", SOURCE.replace("a curl multi", "a curl easy"))
        self.finds("first-lines", "its header")

    def test_a_long_file_is_found(self):
        self.write("pool/lane.c", SOURCE + "\n" * rules.FILE_MAX)
        self.finds("sizes", "lines")

    def test_a_long_function_is_found_and_the_limit_itself_passes(self):
        body = "\tputs(\"\");\n" * rules.FUNCTION_MAX
        self.write("pool/lane.c", f"int lane_run(void)\n{{\n{body}}}\n")
        self.assertEqual(self.found("sizes"), [])
        self.write("pool/lane.c", f"int lane_run(void)\n{{\n{body}\tputs(\"\");\n}}\n")
        self.finds("sizes", "lane_run()")

    def test_a_long_line_is_found_with_tabs_of_8(self):
        self.write("pool/lane.c", SOURCE + "\t" * 12 + "abc;\n")
        self.assertEqual(self.found("columns"), [])
        self.write("pool/lane.c", SOURCE + "\t" * 12 + "abcd;\n")
        self.finds("columns", "101 columns")

    def test_white_space_at_the_end_is_found(self):
        self.write("pool/lane.c", SOURCE + "int a; \n")
        self.finds("columns", "at the end")

    def test_shared_fields_touched_without_the_lock_are_found(self):
        self.write("pool/lane.c", SOURCE.replace("count_locked(", "count("))
        self.finds("shared", "count() touches")

    def test_shared_fields_may_be_set_up_and_torn_down(self):
        for name in ("lane_new", "lane_destroy", "lane_init", "lane_free"):
            self.write("pool/lane.c", SOURCE.replace("count_locked(", name + "("))
            self.assertEqual(self.found("shared"), [])

    def test_what_was_left_behind_is_found(self):
        for word in ("TO" "DO", "FIX" "ME"):
            self.write("pool/lane.c", SOURCE + f"/* {word}: later */\n")
            self.finds("leftovers", word)

    def test_a_file_name_used_twice_is_found(self):
        self.write("batch/lane.c", SOURCE)
        self.finds("names", "there is")

    def test_a_typedef_of_a_struct_is_found_and_of_a_function_passes(self):
        self.write("pool/lane.c", SOURCE + "typedef void (*done_fn)(void *arg);\n")
        self.assertEqual(self.found("names"), [])
        self.write("pool/lane.c", SOURCE + "typedef struct lane lane_t;\n")
        self.finds("names", "typedef")

    def test_an_external_symbol_of_another_name_is_found(self):
        self.write("pool/lane.h", HEADER + "struct transfer {\n\tint fd;\n};\n")
        listing = "\nlane_part.c.o:\n0000 T lane_drop\n0010 T drop_lane\n0020 B lane\n0030 T transfer_end\n  U malloc\n"
        complaints = list(rules.foreign_symbols("pool", rules.families(self.root, "pool"), listing))
        self.assertEqual(len(complaints), 1, complaints)
        self.assertIn("drop_lane", complaints[0])

    def test_a_build_without_libraries_is_no_success(self):
        self.assertNotEqual(list(rules.symbols(self.root, self.root)), [])


if __name__ == "__main__":
    unittest.main()
