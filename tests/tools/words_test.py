#!/usr/bin/env python3
"""Every word that kernel text may use stands in docs/kernels.md and in the list of primitives.h: words_test.py."""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRIMITIVES = ROOT / "include/flashtile/primitives"
# The CPU's headers are the plainest; cuda/ has the same words, and Hopper's, which have pages of their own.
HEADERS = [PRIMITIVES / f"cpu/{name}.h" for name in
           ("execution", "math", "cooperative_tensor", "maps", "tile_factory", "tile_stages", "simdgroup_matrix", "matmul2d")]
HEADERS += sorted((PRIMITIVES / "common").glob("*.h"))
APART = {"convolution2d"}  # not included by primitives.h, whose list names these headers alone
# Named by types that the words make, or for a backend's own use.
UNNAMED = {"tile_role", "lane_layout", "matrix_element", "thread_element", "matrix_origin", "mem_flags"}
DECLARED = re.compile(r"^(?:inline|constexpr|FT_FUNCTION|class|struct|enum class|using)\b[^={;]*?\b(\w+)\s*(?:\(|\{|=|:|$)")


def words(header):
    """The names that a header declares for kernel text: at the start of a line, outside `namespace detail`."""
    inside = False
    for line in header.read_text(encoding="utf-8").splitlines():
        if re.match(r"namespace detail\b", line):
            inside = True
        elif line.startswith("}  // namespace detail"):
            inside = False
        found = DECLARED.match(line)
        if found and not inside and "operator" not in line and not line.startswith("inline namespace") and "::" not in line.split("(")[0]:
            yield found.group(1)


class Words(unittest.TestCase):
    def test_stand_in_the_guide_and_in_the_list(self):
        guide = (ROOT / "docs/kernels.md").read_text(encoding="utf-8")
        listed = (ROOT / "include/flashtile/primitives.h").read_text(encoding="utf-8").split("#pragma once")[0]
        listed = listed.replace("simdgroup_multiply(_accumulate)", "simdgroup_multiply simdgroup_multiply_accumulate")
        names = {word for header in HEADERS for word in words(header)} - UNNAMED
        own = {word for header in HEADERS if header.stem in APART for word in words(header)}
        self.assertGreater(len(names), 40)
        for place, text, named in (("docs/kernels.md", guide, names), ("primitives.h", listed, names - own)):
            missing = sorted(name for name in named if not re.search(rf"\b{name}\b", text))
            with self.subTest(place):
                self.assertEqual(missing, [])


if __name__ == "__main__":
    unittest.main()
