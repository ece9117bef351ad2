#!/usr/bin/env python3
"""Takes what can be run out of Markdown pages. Called by tests/snippets/CMakeLists.txt.

extract_snippets.py FOLDER PAGE...              writes every ```cpp, ```c and ```python block to FOLDER as a file and prints the
                                                files, one a line; each block must be a whole program. An unchanged file is
                                                left alone, so that nothing is compiled again. A program in Python that
                                                needs more than NumPy is marked ```py; tools/clients runs it
extract_snippets.py --commands PROGRAM PAGE...  prints every line of ```sh blocks that calls PROGRAM
"""
import pathlib
import re
import sys

# Of each language the end of a file's name, how a comment begins, and what a whole program has.
LANGUAGES = {"cpp": (".cc", "//", "int main("), "c": (".c", "//", "int main("), "python": (".py", "#", "import ")}


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def programs(folder, pages):
    folder.mkdir(parents=True, exist_ok=True)
    for page in pages:
        for language, (suffix, comment, mark) in LANGUAGES.items():
            for number, block in enumerate(blocks(page, language), 1):
                if mark not in block:
                    sys.exit(f"{page}: {language} block {number} is no program; a fragment of C++ is marked ```c++")
                name = page.stem.lower() if language == "cpp" else f"{page.stem.lower()}_{language}"
                path = folder / f"{name}_{number}{suffix}"
                text = f"{comment} From {page.name}, block {number}.\n{block}"
                if not path.exists() or path.read_text() != text:
                    path.write_text(text)
                print(path)


def commands(program, pages):
    for page in pages:
        for block in blocks(page, "sh"):
            for line in block.splitlines():
                if line.startswith(program + " "):
                    print(line.split("#")[0].rstrip())


if __name__ == "__main__":
    if sys.argv[1] == "--commands":
        commands(sys.argv[2], [pathlib.Path(page) for page in sys.argv[3:]])
    else:
        programs(pathlib.Path(sys.argv[1]), [pathlib.Path(page) for page in sys.argv[2:]])
