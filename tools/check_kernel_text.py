#!/usr/bin/env python3
"""Refuses, in shared kernel text, what the Metal Shading Language refuses or what names one backend.

Shared text is every header under src/ops/*/kernel/ but those of one machine's own way (folders, panels*) and instances*. Prints one line a
finding, file:line: why; exits 1 when there is one.
"""
import pathlib
import re
import sys

BANNED = {
    r"\bstd::": "no std in kernel text; use what primitives.h gives",
    r"\bdouble\b": "no double on an Apple GPU",
    r"\blong long\b": "no long long on an Apple GPU; int64_t is there",
    r"\b(virtual|dynamic_cast|typeid|thread_local|goto|register)\b": "not in the Metal Shading Language",
    r"\b(throw|try|catch)\b": "no exceptions in a kernel",
    r"\bnew\b(?!\s*maximum)|\bdelete\b": "no allocation in a kernel",
    r"\b(threadIdx|blockIdx|__shared__|__global__|__device__|asm)\b": "CUDA's words belong in primitives/cuda",
    r"\b(_mm\d*_\w+|__m\d+\w*)\b": "intrinsics belong in primitives/cpu",
    r"\bthread_index_in_\w+": "kernel text never names a lane",
    r"\bconcept\b|\brequires\b|\bconsteval\b|\bco_\w+": "kernel text is C++17",
}
# tiles.h is the table that says which machine a row is for.
MACHINE_CONDITIONS = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif)\b.*(CUDA|METAL|AVX|NEON|BACKEND)")


def code_lines(text):
    """Lines without comments and string literals, numbered from 1."""
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)
    for number, line in enumerate(text.split("\n"), 1):
        yield number, re.sub(r'"[^"]*"', '""', re.sub(r"//.*", "", line))


def findings(root):
    for path in sorted(root.glob("src/ops/*/kernel/*.h")):
        if path.name.startswith(("panels", "instances")):
            continue
        for number, line in code_lines(path.read_text()):
            for pattern, why in BANNED.items():
                if re.search(pattern, line):
                    yield f"{path.relative_to(root)}:{number}: {why}"
            if MACHINE_CONDITIONS.search(line) and path.name != "tiles.h":
                yield f"{path.relative_to(root)}:{number}: shared text has no #if for a machine; that belongs in primitives or tiles.h"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    found = list(findings(root))
    print("\n".join(found) if found else "kernel text: nothing that Metal would refuse")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
