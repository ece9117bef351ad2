"""The checkers of tools/ find what they are there to find, in a small repository made for it."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def check(tool, files):
    """Runs a copy of the tool in a repository that holds these files: (exit status, output)."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "-q", folder], check=True)
        for name, text in files.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        pathlib.Path(folder, "tools").mkdir(exist_ok=True)
        shutil.copy(ROOT / "tools" / tool, pathlib.Path(folder, "tools", tool))
        done = subprocess.run([sys.executable, f"tools/{tool}"], cwd=folder, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


class Layers(unittest.TestCase):
    def include(self, source, line, **others):
        return check("check_layers.py", {"include/flashtile/tensor.h": "", "src/ops/gemm/ways.h": "", "src/ops/attention/ways.h": "",
                                         "reference/attention.h": "", "tests/cases.h": "",
                                         source: f"#include {line}\n", **others})

    def test_arrows_that_are_allowed(self):
        for source, line in [("src/ops/gemm/gemm.cc", '"flashtile/tensor.h"'), ("src/ops/attention/unfused.cc", '"src/ops/gemm/ways.h"'),
                             ("src/backends/cpu/run.cc", "<tbb/task_arena.h>"), ("cli/main.cc", "<CLI/CLI.hpp>"),
                             ("cli/verdict.cc", '"reference/attention.h"'), ("reference/attention.h", "<vector>")]:
            self.assertEqual(self.include(source, line)[0], 0, source)

    def test_arrows_that_are_not(self):
        for source, line in [("src/core/tensor.cc", '"src/ops/gemm/ways.h"'), ("src/ops/gemm/gemm.cc", '"src/ops/attention/ways.h"'),
                             ("src/backends/cpu/run.cc", '"src/ops/gemm/ways.h"'), ("cli/main.cc", '"src/ops/gemm/ways.h"'),
                             ("examples/a.cc", '"src/ops/gemm/ways.h"'), ("src/core/tensor.cc", "<tbb/task_arena.h>"),
                             ("include/flashtile/error.h", "<fmt/core.h>"), ("reference/attention.h", '"flashtile/tensor.h"'),
                             ("cli/verdict.cc", '"tests/cases.h"'), ("src/ops/attention/ways.cc", '"reference/attention.h"'),
                             ("src/ops/gemm/kernel/text.h", "<vector>")]:
            status, output = self.include(source, line)
            self.assertEqual(status, 1, source)
            self.assertIn(f"{source}:1:", output)

    def test_a_header_that_is_not_there(self):
        self.assertEqual(self.include("src/core/a.cc", '"src/core/b.h"')[0], 1)


@unittest.skipUnless(shutil.which("clang++"), "needs clang++")
class Metal(unittest.TestCase):
    TEXT = """#include <metal_stdlib>
#define FT_CONSTANT constant
struct Pair {
  int a, b;
  int sum() const FT_CONSTANT { return a + b; }
  int own() const { return a; }
};
inline int first(thread const Pair& pair) { return pair.a; }
inline void use(constant const Pair& there, device float* data, threadgroup float* tile) {
  Pair here = there;
  %s
}
"""

    def found(self, line):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "own_tensor_ops.metal")
            path.write_text(self.TEXT % line)
            done = subprocess.run([sys.executable, ROOT / "tools/check_metal.py", path], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0 if " 1 files keep" in done.stdout else 1, done.stderr)
        return done.stdout

    def test_sound(self):
        for line in ["tile[first(here)] = data[there.sum()];", "data[here.own()] = metal::exp2(tile[0]);"]:
            self.assertIn("1 files keep", self.found(line), line)

    def test_what_metal_refuses(self):
        for line, why in [("data = tile;", "changes address space"), ("thread float* own = data;", "`thread` is meant"), ("float* own = tile;", "no address space"),
                          ("static constexpr int k = 1;", "is `constant`"),
                          ("first(there);", "`thread` is meant"), ("there.own();", "`thread` is meant"),
                          ("here.sum();", "for constant objects"), ("metal::quad_sum(data[0]);", "quad_sum")]:
            self.assertIn(why, self.found(line), line)
            self.assertIn("own_tensor_ops.metal:11", self.found(line), line)


class Links(unittest.TestCase):
    def test_sound(self):
        self.assertEqual(check("check_links.py", {"a.md": "# One two\n[b](docs/b.md#three-four), [here](#one-two)",
                                                  "docs/b.md": "## Three `four`\n"})[0], 0)

    def test_dead_file_and_dead_anchor(self):
        status, output = check("check_links.py", {"a.md": "[b](b.md) [c](c.md#no)", "c.md": "# yes\n"})
        self.assertEqual(status, 1)
        self.assertIn("b.md leads nowhere", output)
        self.assertIn("c.md#no has no such heading", output)


class Limits(unittest.TestCase):
    ROW = re.compile(r'", "((?:src|include|c_api)/[^"]+)"')

    def test_the_page_is_what_the_constants_say(self):
        tool = (ROOT / "tools/check_limits.py").read_text()
        names = {"docs/limits.md", "src/ops/attention/problem.cc", "src/backends/cpu/queue.cc", *self.ROW.findall(tool)}
        files = {name: (ROOT / name).read_text() for name in names}
        self.assertEqual(check("check_limits.py", files), (0, ""))
        files["include/flashtile/tensor.h"] = files["include/flashtile/tensor.h"].replace("kMaxRank = 8", "kMaxRank = 9")
        status, output = check("check_limits.py", files)
        self.assertEqual(status, 1)
        self.assertIn("docs/limits.md is not what the code says", output)
        files["include/flashtile/tensor.h"] = ""
        status, output = check("check_limits.py", files)
        self.assertEqual(status, 1)
        self.assertIn("0 definitions of kMaxRank", output)


class Namespaces(unittest.TestCase):
    CMAKE = "cmake_minimum_required(VERSION 3.25)\nproject(flashtile VERSION 0.3.1 LANGUAGES CXX)\n"

    def of(self, name, text):
        return check("check_namespaces.py", {"CMakeLists.txt": self.CMAKE, name: text})

    def test_what_the_library_defines_carries_the_version(self):
        for name in ("include/flashtile/tensor.h", "src/core/tensor.cc", "src/ops/gemm/gemm.cc", "tests/ops/gemm/kernel_test.cc"):
            self.assertEqual(self.of(name, "namespace flashtile::inline v0_3::ops {\n}  // namespace flashtile::inline v0_3::ops\n")[0], 0, name)
            for wrong in ("namespace flashtile::ops {\n", "namespace flashtile::inline v0_2::ops {\n"):
                status, output = self.of(name, wrong)
                self.assertEqual(status, 1, name)
                self.assertIn(f"{name}: opens flashtile without ::inline v0_3", output)

    def test_what_is_not_the_librarys_does_not(self):
        for name, text in [("cli/info.cc", "namespace flashtile::cli {\n"), ("tests/core/tensor_test.cc", "namespace flashtile {\n"),
                           ("src/io/npy.cc", "namespace flashtile::io {\n"), ("src/core/a.cc", "using namespace flashtile;\n")]:
            self.assertEqual(self.of(name, text)[0], 0, name)


if __name__ == "__main__":
    unittest.main()
