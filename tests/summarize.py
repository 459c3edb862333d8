#!/usr/bin/env python3
"""Adds up test results: `N passed, N failed, N skipped` as the last line, every failure and skip named before it.

    summarize.py FOLDER...

A FOLDER holds *.xml (JUnit form, as GoogleTest, pytest and ctest write it) and checks.tsv, lines of an outcome (passed,
failed or skipped), a tab and a name. ctest's own file, ctest.xml, lists programs whose cases GoogleTest has counted
already; it counts only where a program failed without a failed case of its own (a crash, a time-out). Exits with 1 where
anything failed or nothing passed.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

MESSAGE_LENGTH = 160


def first_line(element):
    text = element.get("message") or element.text or ""
    lines = text.strip().splitlines()
    return lines[0][:MESSAGE_LENGTH] if lines else ""


def outcome(case):
    """("passed" | "failed" | "skipped", message) of one <testcase>."""
    for tag in ("failure", "error"):
        found = case.find(tag)
        if found is not None:
            return "failed", first_line(found)
    found = case.find("skipped")
    if found is not None or case.get("status") in ("notrun", "disabled"):
        return "skipped", first_line(found) if found is not None else "disabled"
    return "passed", ""


def cases_of(path):
    """(name, outcome, message) of each case in one JUnit file; a file cut short is a failure of its own."""
    try:
        tree = ElementTree.parse(path)
    except (ElementTree.ParseError, OSError) as error:
        return [(path.name, "failed", f"unreadable results: {error}")]
    cases = tree.iter("testcase")
    return [(f"{path.stem}: {case.get('classname')}.{case.get('name')}", *outcome(case)) for case in cases]


def crashes(folder, counted):
    """Programs that ctest saw fail although none of their cases did."""
    path = folder / "ctest.xml"
    if not path.is_file():
        return []
    failed = {name.split(":")[0] for name, result, _ in counted if result == "failed"}
    return [
        (name, result, message)
        for name, result, message in cases_of(path)
        if result == "failed" and f"test_{name.rsplit('.', 1)[-1]}" not in failed
    ]


def checks_of(folder):
    """The checks that are no test programs."""
    path = folder / "checks.tsv"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [(name, result, "") for result, name in (line.split("\t", 1) for line in lines)]


def results(folder):
    found = [case for path in sorted(folder.glob("*.xml")) if path.name != "ctest.xml" for case in cases_of(path)]
    return found + crashes(folder, found) + checks_of(folder)


def main():
    total = {"passed": 0, "failed": 0, "skipped": 0}
    for folder in map(Path, sys.argv[1:]):
        for name, result, message in results(folder):
            total[result] += 1
            if result != "passed":
                print(f"{result}: {name}" + (f": {message}" if message else ""))
    print(", ".join(f"{count} {result}" for result, count in total.items()))
    return 1 if total["failed"] or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
