#!/usr/bin/env python3
"""Writes a family of kernels as one file of the Metal Shading Language.

    tools/metal_source.py FILE.metal --version 320 --output OUT.metal

Headers of the project take the place of their #include lines, each once where it says so; what is for other compilers is left
out; Apple's headers stay. C++'s own headers for integers are dropped, since Metal has those types; any other is an error.
"""
import argparse
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INTEGERS = {"cstddef", "cstdint", "stddef.h", "stdint.h"}
APPLE = re.compile(r"metal_\w+|MetalPerformancePrimitives/.*")
CONDITION = re.compile(r"\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b(.*)")


class Writer:
    """Appends lines to `lines`, and to `read` each file that they come from."""

    def __init__(self, version):
        self.version, self.lines, self.read, self.once = version, [], [], set()

    def known(self, condition):
        """The value of a condition that speaks of compilers alone; None of any other."""
        text = re.sub(r"defined\s*\(?\s*__METAL_VERSION__\s*\)?", "1", condition)
        text = re.sub(r"defined\s*\(?\s*(__CUDACC__|__CUDA_ARCH__|FLASHTILE_METAL_TILES)\s*\)?", "0", text)
        text = text.replace("__METAL_VERSION__", str(self.version))
        if not re.fullmatch(r"[\d\s()<>=!&|]+", text):
            return None
        return bool(eval(re.sub(r"!(?!=)", " not ", text.replace("&&", " and ").replace("||", " or "))))  # numbers and operators only

    def file(self, name, where):
        path = next((p for p in (ROOT / "include" / name, ROOT / name) if p.is_file()), None)
        if path is None:
            sys.exit(f"{where}: there is no {name} in the project")
        if path in self.once:
            return
        self.read.append(path)
        # A known condition is a list [this branch is taken, one was taken]; another is None and stays.
        stack = []
        for number, line in enumerate(path.read_text().splitlines(), 1):
            place = f"{path.relative_to(ROOT)}:{number}"
            if found := CONDITION.match(line):
                if self.condition(found.group(1), found.group(2).split("//")[0], stack, place):
                    continue
            if any(branch and not branch[0] for branch in stack):
                continue
            if re.match(r"\s*#\s*pragma once", line):
                self.once.add(path)
            elif found := re.match(r'\s*#\s*include\s+"([^"]+)"', line):
                self.file(found.group(1), place)
            elif found := re.match(r"\s*#\s*include\s+<([^>]+)>", line):
                if APPLE.fullmatch(found.group(1)):
                    self.lines.append(line)
                elif found.group(1) not in INTEGERS:
                    sys.exit(f"{place}: <{found.group(1)}> is no header of Metal")
            else:
                self.lines.append(line)

    def condition(self, word, text, stack, place):
        """Whether a line of a condition is left out."""
        if word in ("if", "ifdef", "ifndef"):
            if any(branch and not branch[0] for branch in stack):
                stack.append([False, True])  # nothing in here is taken
                return True
            value = self.known({"if": "", "ifdef": "defined ", "ifndef": "! defined "}[word] + text)
            stack.append(None if value is None else [value, value])
            return value is not None
        branch = stack.pop() if word == "endif" else stack[-1]
        if branch is not None and word in ("elif", "else"):
            value = not branch[1] and (word == "else" or self.known(text))
            if value is None:
                sys.exit(f"{place}: this condition follows one about the compiler, and its own value is not known")
            branch[:] = [value, branch[1] or value]
        return branch is not None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("--version", type=int, required=True, help="__METAL_VERSION__: 320 or 400")
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--literal", type=pathlib.Path, help="the same as a string of C++")
    parser.add_argument("--dependencies", type=pathlib.Path, help="what the output was made of, for ninja")
    arguments = parser.parse_args()
    writer = Writer(arguments.version)
    source = arguments.source.resolve().relative_to(ROOT)
    writer.file(str(source), "command line")
    standard = f"metal{arguments.version // 100}.{arguments.version // 10 % 10}"
    head = [
        f"// Generated from {source} for -std={standard}: do not edit.",
        "#pragma METAL fp math_mode(safe)",
        "#pragma clang diagnostic ignored \"-Wc++17-extensions\"",
        "#pragma clang diagnostic ignored \"-Wc++20-extensions\"",
        "#include <metal_stdlib>",  # its integers are used from the first header on
    ]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(head + writer.lines)) + "\n"
    arguments.output.write_text(text)
    if arguments.literal:
        arguments.literal.write_text(f'R"metal({text})metal"\n')
    if arguments.dependencies:
        arguments.dependencies.write_text(f"{arguments.output}: " + " ".join(str(path) for path in writer.read) + "\n")


if __name__ == "__main__":
    main()
