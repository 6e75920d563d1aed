#!/usr/bin/python3
"""cmake/embed.cmake makes C of a file, whichever file of a build comes first: it makes the folder it writes into."""
import gzip
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CONTENT = bytes(range(256)) * 3


class Embed(unittest.TestCase):
    def embedded(self, zipped):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "from").write_bytes(CONTENT)
            to = folder / "not yet there" / "it.c"
            done = subprocess.run(["cmake", "-DEMBED_FROM=%s" % (folder / "from"), "-DEMBED_TO=%s" % to, "-DEMBED_NAME=it",
                                   "-DEMBED_GZIP=%s" % zipped, "-P", str(ROOT / "cmake/embed.cmake")],
                                  capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            made = to.read_text()
        size = int(re.search(r"embedded_it_size = (\d+);", made)[1])
        found = bytes(int(byte, 16) for byte in re.findall(r"0x([0-9a-f]{2}),", made))
        self.assertEqual(size, len(found))
        return found

    def test_as_it_is(self):
        self.assertEqual(self.embedded("OFF"), CONTENT)

    def test_compressed(self):
        self.assertEqual(gzip.decompress(self.embedded("ON")), CONTENT)


if __name__ == "__main__":
    unittest.main()
