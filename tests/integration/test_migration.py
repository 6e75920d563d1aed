#!/usr/bin/python3
"""docs/migration.md: both sides of each row are run as they stand there, and do the same."""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
import examples  # noqa: E402
import world  # noqa: E402

ROWS = ["`future_to_index`", "`as_completed`", "`tqdm`", "`try`/`except`, twice", "`fallback_fn`", "`max_workers`, checked",
        "`result(timeout=…)`", "`batch_size` chunks", "The context manager"]
BEGIN = "To begin with"


def read_page():
    """heading -> {side: (language, text)}; each has one block a side."""
    with open(os.path.join(world.ROOT, "docs", "migration.md"), encoding="utf-8") as source:
        parts = re.split(r"^## (.+)$", source.read(), flags=re.M)[1:]
    page = {}
    for heading, text in zip(parts[::2], parts[1::2]):
        blocks = re.findall(r"^```(\w+) (\w+)\n(.*?)^```$", text, flags=re.M | re.S)
        assert sorted(side for _, side, _ in blocks) == ["after", "before"], heading
        page[heading] = {side: (language, code) for language, side, code in blocks}
    return page


class Migration(examples.Case):
    example = "query-rewriting"

    @classmethod
    def setUpClass(cls):
        cls.page = read_page()

    def setUp(self):
        super().setUp()
        _, self.url, self.upstream = self.serve()
        bin_folder = os.path.join(self.folder, "bin")
        os.mkdir(bin_folder)
        os.symlink(world.BINARY, os.path.join(bin_folder, "batchgate"))
        self.env = world.environment({"PATH": bin_folder + ":" + os.environ["PATH"], "BATCH_URL": self.url,
                                      "LLM_BASE_URL": self.upstream, "LLM_API_KEY": examples.KEY, "no_proxy": "*"})

    def run_side(self, heading, side):
        language, code = self.page[heading][side]
        if language == "python":
            argv = [world.PYTHON, "-c", self.page[BEGIN][side][1] + code]
        else:
            self.assertEqual(language, "sh")
            argv = ["bash", "-euo", "pipefail", "-c", code]
        # A rate that is used up by the row before is not this one's affair.
        examples.ask(self.upstream, "PUT", "/script", {})
        done = subprocess.run(argv, cwd=world.ROOT, env=self.env, capture_output=True, timeout=2 * world.WAIT, check=False)
        out, err = done.stdout.decode(), done.stderr.decode()  # text=True would make new lines of the carriage returns
        self.assertEqual(done.returncode, 0, "%s, %s:\n%s%s" % (heading, side, out, err))
        return out

    def sides(self, heading):
        found = [self.run_side(heading, side) for side in ("before", "after")]
        self.assertTrue(all(found), heading)
        return found

    def same(self, heading, lines):
        before, after = self.sides(heading)
        self.assertEqual(before, after)
        self.assertEqual(len(before.splitlines()), lines)
        return before

    def test_every_part_has_its_row(self):
        self.assertEqual(list(self.page), [BEGIN, *ROWS])

    def test_future_to_index(self):
        self.same(ROWS[0], 6)

    def test_as_completed(self):
        before, after = self.sides(ROWS[1])
        self.assertEqual(sorted(before.splitlines()), sorted(after.splitlines()))
        self.assertEqual(sorted(int(line.split()[0]) for line in after.splitlines()), list(range(6)))

    def test_tqdm(self):
        before, after = self.sides(ROWS[2])
        self.assertEqual(re.findall(r"\rRewriting: (\d)/6", before), list("123456"))
        told = [int(done) for done in re.findall(r"Rewriting: +\d+%\|.{10}\| (\d)/6 \[", after)]
        self.assertEqual((told, told[-1]), (sorted(told), 6))
        self.assertIn("6 items: 6 succeeded, 0 failed", after)

    def test_try_except_twice(self):
        self.assertEqual([line.split()[-1] for line in self.same(ROWS[3], 3).splitlines()], ["ok", "ok", "failed"])

    def test_fallback_fn(self):
        self.assertEqual(self.same(ROWS[4], 3).splitlines()[2], "How was gunpowder made in the Middle Ages?")

    def test_max_workers_validation(self):
        self.assertEqual(self.same(ROWS[5], 5).split("\n"), ["0 refused", "-1 refused", "many refused", "2.5 refused", "1000 6", ""])

    def test_result_timeout(self):
        self.assertEqual(self.same(ROWS[6], 1), "timeout\n")

    def test_batch_size_chunks(self):
        before, after = self.sides(ROWS[7])
        results = [json.loads(line) for line in after.splitlines()]
        self.assertEqual([result["result"]["processed_query"] for result in results], before.splitlines())
        self.assertEqual(len(results), 6)

    def test_the_context_manager(self):
        self.same(ROWS[8], 1)
        world.wait_for("the provider to be left alone", lambda: self.stats()["in_flight"] == 0)
        self.assertLess(self.stats()["requests"], 6)

    def stats(self):
        return json.loads(examples.ask(self.upstream, "GET", "/stats")[1])


if __name__ == "__main__":
    world.main()
