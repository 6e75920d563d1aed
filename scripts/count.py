#!/usr/bin/python3
"""count.py PRESET JUNIT - what ctest recorded, a test a line: `passed PRESET: NAME` or `failed PRESET: NAME`."""

import sys
import xml.etree.ElementTree as ElementTree


def main(preset, path):
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        # Anything but `run`: failed, or could not run at all.
        print("passed" if case.get("status") == "run" else "failed", "%s: %s" % (preset, case.get("name")))


main(*sys.argv[1:])
