#!/usr/bin/python3
"""count.py JUNIT - what ctest recorded: a line `PASSED FAILED`, then the name of each test that failed."""

import sys
import xml.etree.ElementTree as ElementTree


def main(path):
    passed, failed = 0, []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.get("status") == "run":
            passed += 1
        else:  # failed, and what could not run at all
            failed.append(case.get("name"))
    print(passed, len(failed))
    for name in failed:
        print(name)


main(sys.argv[1])
