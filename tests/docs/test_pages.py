#!/usr/bin/python3
# ctest: timeout=900
# ctest: cost=60
"""README.md and docs/*.md: every example is run and compared, every configuration checked, every link followed.

test_pages.py [PAGE...]: only these."""
import os
import re
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from page import Page  # noqa: E402
import world  # noqa: E402

# What must at least be run, so that a page whose examples are all set aside does not pass for tested.
AT_LEAST = {"README.md": 6, "docs/endpoints.md": 12, "docs/errors.md": 3, "docs/first-batch.md": 6, "docs/operating.md": 6, "docs/run.md": 5,
            "docs/security-model.md": 3, "docs/streams.md": 3, "docs/upstreams.md": 4}


def pages():
    found = ["README.md"] + sorted("docs/" + name for name in os.listdir(os.path.join(world.ROOT, "docs")) if name.endswith(".md"))
    return found


def tester(name):
    def test(self):
        page = Page(name)
        folder = tempfile.mkdtemp(prefix="batchgate-docs-")
        self.addCleanup(shutil.rmtree, folder, True)
        page.try_out(folder)
        print("%s: %s" % (name, ", ".join("%d %s" % (count, what) for what, count in page.counts.items())), file=sys.stderr)
        self.assertGreaterEqual(page.counts["run"], AT_LEAST.get(name, 0))
    return test


class Pages(unittest.TestCase):
    def setUp(self):
        world.need_binary()
        for program in ("curl", "jq", "unshare", "ip"):
            world.need(program)


class Links(unittest.TestCase):
    maxDiff = None

    def test_every_link_leads_somewhere(self):
        self.assertEqual([fault for name in pages() + ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"]
                          for fault in Page(name).broken_links()], [])

    def test_pages_that_are_not_run_show_nothing_that_cannot_be(self):
        world.need_binary()
        others = ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "tests/docs/README.md"] + sorted(
            "examples/%s/README.md" % name for name in os.listdir(os.path.join(world.ROOT, "examples"))
            if os.path.exists(os.path.join(world.ROOT, "examples", name, "README.md")))
        self.assertEqual([fault for name in others for fault in Page(name).oversights()], [])

    def test_the_index_has_every_page_and_readme_has_the_index(self):
        index = Page("docs/README.md").links()
        missing = [name for name in pages() if name not in ("README.md", "docs/README.md") and os.path.basename(name) not in index]
        self.assertEqual(missing, [])
        self.assertIn("docs/README.md", Page("README.md").links())


def add_pages(names):
    for name in names:
        setattr(Pages, "test_" + re.sub(r"\W", "_", name), tester(name))


if __name__ == "__main__":
    chosen = sys.argv[1:]
    add_pages(chosen or pages())
    if chosen:
        del Links, sys.argv[1:]
    world.main()
