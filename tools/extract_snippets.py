#!/usr/bin/env python3
"""Writes every ```cpp block of the given Markdown pages to FOLDER as a file of its own: extract_snippets.py FOLDER PAGE...

Prints the files, one a line. Each block must be a whole program. A file that has not changed is left alone, so that
nothing is compiled again. Called by tests/snippets/CMakeLists.txt.
"""
import pathlib
import re
import sys


def main(folder, pages):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for page in map(pathlib.Path, pages):
        blocks = re.findall(r"^```cpp\n(.*?)^```", page.read_text(), re.M | re.S)
        for number, block in enumerate(blocks, 1):
            if "int main(" not in block:
                sys.exit(f"{page}: cpp block {number} is no program; a fragment is marked ```c++")
            path = folder / f"{page.stem.lower()}_{number}.cc"
            text = f"// From {page.name}, block {number}.\n{block}"
            if not path.exists() or path.read_text() != text:
                path.write_text(text)
            print(path)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
