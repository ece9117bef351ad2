"""A failing suite exits non-zero, and tools/run_suite counts what happened: run_suite_test.py SAMPLE_SUITE."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = sys.argv.pop()


def run(*entries):
    """Runs a build folder with these ctest entries, each (name, command, gtest_filter or None): (exit status, lines)."""
    with tempfile.TemporaryDirectory() as folder:
        lines = []
        for name, command, gtest_filter in entries:
            lines.append(f'add_test({name} "{command}")')
            environment = f"GTEST_OUTPUT=json:{folder}/test-results/{name}.json;GTEST_FILTER={gtest_filter}" if gtest_filter else ""
            lines.append(f'set_tests_properties({name} PROPERTIES SKIP_RETURN_CODE 77 ENVIRONMENT "{environment}")')
        pathlib.Path(folder, "CTestTestfile.cmake").write_text("\n".join(lines) + "\n")
        clean = {key: value for key, value in os.environ.items() if not key.startswith("GTEST_")}
        done = subprocess.run([ROOT / "tools/run_suite", folder], capture_output=True, text=True, env=clean, check=False)
        return done.returncode, done.stdout.splitlines()


class RunSuite(unittest.TestCase):
    def test_all_pass(self):
        status, lines = run(("a", "/bin/true", None), ("b", SAMPLE, "Sample.Passes"))
        self.assertEqual((status, lines[-1]), (0, "2 passed, 0 failed, 0 skipped"))

    def test_a_failing_test_fails_the_run(self):
        status, lines = run(("a", "/bin/true", None), ("b", SAMPLE, "Sample.Passes:Sample.Fails"))
        self.assertEqual((status, lines[-1]), (1, "2 passed, 1 failed, 0 skipped"))
        self.assertTrue(any("as it should" in line for line in lines))

    def test_a_failing_program_fails_the_run(self):
        status, lines = run(("a", "/bin/true", None), ("b", "/bin/false", None))
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))

    def test_a_crash_fails_the_run(self):
        status, lines = run(("a", SAMPLE, "Sample.Crashes"))
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_an_allowed_skip_is_counted_with_its_reason(self):
        status, lines = run(("a", SAMPLE, "Sample.Passes:Sample.SkipsAsAllowed"))
        self.assertEqual((status, lines[-1]), (0, "1 passed, 0 failed, 1 skipped"))
        self.assertIn("skipped 1: this CPU has no cpu_avx512", lines)

    def test_any_other_skip_fails_the_run(self):
        status, lines = run(("a", SAMPLE, "Sample.Passes:Sample.SkipsForNoGoodReason"))
        self.assertEqual((status, lines[-1]), (1, "1 passed, 0 failed, 1 skipped, 1 of them for no reason that tests/allowed_skips.txt names: not allowed"))

    def test_a_run_of_nothing_fails(self):
        status, lines = run()
        self.assertEqual((status, lines[-1]), (1, "0 passed, 0 failed, 0 skipped"))


if __name__ == "__main__":
    unittest.main()
