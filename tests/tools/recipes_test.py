#!/usr/bin/env python3
"""The recipes of packaging/ name the project's version, its options and its targets as CMakeLists.txt does: recipes_test.py."""
import ast
import json
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
LISTS = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
OPTIONS = set(re.findall(r"(?:option\(|set\()(FLASHTILE_[A-Z_]+|BUILD_SHARED_LIBS)\b[^)]*", LISTS))


def text(name):
    return (PACKAGING / name).read_text(encoding="utf-8")


class Recipes(unittest.TestCase):
    def test_citation(self):
        cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)[1]
        self.assertEqual(cited, re.search(r"project\(flashtile VERSION ([0-9.]+)", LISTS)[1])

    def check_options(self, recipe, named, needed):
        self.assertLessEqual(named, OPTIONS, recipe)
        self.assertLessEqual(needed, named, recipe)

    def test_vcpkg(self):
        manifest = json.loads(text("vcpkg/flashtile/vcpkg.json"))
        self.assertEqual(manifest["name"], "flashtile")
        self.assertEqual(manifest["version-semver"], re.search(r"project\(flashtile VERSION ([0-9.]+)", LISTS)[1])
        port = text("vcpkg/flashtile/portfile.cmake")
        features = dict(re.findall(r"^\s+(\w+) (FLASHTILE_\w+)\)?$", port, re.M))
        self.assertEqual(set(features), set(manifest["features"]))
        self.check_options("vcpkg", set(features.values()) | set(re.findall(r"-D(FLASHTILE_\w+)", port)),
                           {"FLASHTILE_CBLAS", "FLASHTILE_ONEDNN", "FLASHTILE_CUDA"})

    def test_python_recipes(self):
        for recipe, file in (("Conan", "conan/conanfile.py"), ("Spack", "spack/spack_repo/flashtile/packages/flashtile/package.py")):
            ast.parse(text(file))
            named = set(re.findall(r"\bFLASHTILE_[A-Z_]+\b", text(file)))
            self.check_options(recipe, named, {"FLASHTILE_CBLAS", "FLASHTILE_ONEDNN", "FLASHTILE_METAL_EMULATOR"})

    def test_files_that_conan_takes_are_there(self):
        tree = next(node.value for node in ast.parse(text("conan/conanfile.py")).body
                    if isinstance(node, ast.Assign) and node.targets[0].id == "TREE")
        for pattern in ast.literal_eval(tree):
            self.assertTrue(any(ROOT.glob(pattern)), pattern)

    def test_every_recipe_has_a_line_in_the_page(self):
        for word in ("FetchContent", "cpack", "vcpkg install", "conan create", "spack install", "pip install"):
            self.assertIn(word, text("README.md"))


if __name__ == "__main__":
    unittest.main()
