#!/usr/bin/env python3
"""Runs one file of tests: run.py FILE. Exits 77 with a reason when a module that its NEEDS names is not installed, or an
environment variable, which has a $ before it, is not set."""
import ast
import importlib.util
import os
import pathlib
import sys
import unittest

FOLDER = pathlib.Path(__file__).resolve().parent


def needs(file):
    """The value of NEEDS, without importing the file."""
    for statement in ast.parse(file.read_text()).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "NEEDS":
            return ast.literal_eval(statement.value)
    return []


def main(name):
    for module in needs(FOLDER / name):
        if module.startswith("$"):
            if not os.environ.get(module[1:]):
                print(f"{module[1:]} is not set")
                return 77
        elif importlib.util.find_spec(module) is None:
            print(f"this Python has no {module}")
            return 77
    sys.path.insert(0, str(FOLDER))
    suite = unittest.defaultTestLoader.loadTestsFromName(name.removesuffix(".py"))
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(suite)
    return 0 if result.wasSuccessful() and result.testsRun and not result.skipped else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
