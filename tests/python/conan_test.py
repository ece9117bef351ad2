"""The recipe of packaging/conan, by Conan itself: it is exported from this tree, and its graph has one library, oneTBB."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

NEEDS = ["conan"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
PROFILE = """[settings]
os=Linux
arch=x86_64
compiler=gcc
compiler.version=12
compiler.libcxx=libstdc++11
compiler.cppstd=20
build_type=Release
[platform_requires]
onetbb/2022.0.0
"""


class Conan(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name)
        (self.home / "profile").write_text(PROFILE)

    def conan(self, *arguments):
        done = subprocess.run([sys.executable, "-m", "conans.conan", *arguments], env=dict(os.environ, CONAN_HOME=str(self.home)), text=True,
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_export_and_graph(self):
        exported = json.loads(self.conan("export", ROOT / "packaging/conan", "--format=json"))
        self.assertTrue(exported["reference"].startswith("flashtile/0."))
        for options, cuda in (((), "False"), (("-o", "flashtile/*:cuda=True", "-o", "flashtile/*:shared=True"), "True")):
            graph = json.loads(self.conan("graph", "info", "--requires=flashtile/[>=0]", "--no-remote", "-pr:a", self.home / "profile", *options,
                                          "--format=json"))
            nodes = {node["ref"].partition("/")[0]: node for node in graph["graph"]["nodes"].values()}
            self.assertEqual(set(nodes), {"conanfile", "flashtile", "onetbb"})
            self.assertEqual(nodes["flashtile"]["options"]["cuda"], cuda)


if __name__ == "__main__":
    unittest.main()
