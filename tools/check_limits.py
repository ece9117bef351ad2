#!/usr/bin/env python3
"""docs/limits.md from the constants of the code; tools/check runs it.

    tools/check_limits.py            compares; exits 1 when the page is not what the code says
    tools/check_limits.py --write    writes the page anew
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/limits.md"

HEAD = """# Limits

What this version takes at most. A call beyond a limit is an error that names the argument, before any work; nothing is cut short. This page is
written by `tools/check_limits.py --write` from the constants of the code, and `tools/check docs` refuses one that says something else.

| what | limit | stands in |
| --- | --- | --- |
"""

ATTENTION, CPU_QUEUE = "src/ops/attention/problem.cc", "src/backends/cpu/queue.cc"
WIDEST = r"DeviceType::cpu \? Widest\{(\d+), (\d+)\} : Widest\{(\d+), (\d+)\}"

# What a row says, the file, and the constant: its name, or an expression with a group and which group it is.
ROWS = [
    ("dimensions of a tensor", "include/flashtile/tensor.h", "kMaxRank"),
    ("attention: batch; heads; queries; keys, each (0 is legal)", ATTENTION, "kLongest"),
    ("attention on CPUs: elements of a row of q and k, 1 to", ATTENTION, (WIDEST, 1)),
    ("attention on CPUs: elements of a row of v, 1 to", ATTENTION, (WIDEST, 2)),
    ("attention on GPUs: elements of a row of q and k, 1 to", ATTENTION, (WIDEST, 3)),
    ("attention on GPUs: elements of a row of v, 1 to", ATTENTION, (WIDEST, 4)),
    ("attention: a position that is given, either way; a window's sides are taken for open from there on", "src/ops/attention/kernel/numbers.h", "kFarthestOffset"),
    ("gemm: M; N; K, each (0 is legal)", "src/ops/gemm/problem.cc", "kLongest"),
    ("strides that are never stepped over, such as those of a dimension of size 1: larger ones are taken for 1", "src/core/arguments.cc", "kLargest"),
    ("threads of a CPU queue", CPU_QUEUE, "kMostThreads"),
    ("attention: keys that one sum of floats runs over; more are summed in parts that are merged", "src/ops/attention/key_parts.cc", "kLongestPart"),
    ("merge_attention: parts of one launch; more take several", "src/ops/merge_attention/kernel/params.h", "kMostMergedParts"),
    ("texts that the log keeps, to say each once; then it starts anew", "src/core/log.cc", "kMostKept"),
    ("C: bytes of a struct that a caller's `size` may say", "c_api/call.cc", "kMostSize"),
]


def number(text):
    """The value of a constant's expression: a number, or one shifted to the left."""
    text = re.sub(r"(?:std::)?int64_t\{(\d+)\}", r"\1", text)
    found = re.fullmatch(r"(\d+)(?: << (\d+))?", text.strip())
    if not found:
        sys.exit(f"check_limits: '{text}' is no number that is known here")
    return int(found[1]) << int(found[2] or 0)


def value(path, constant):
    pattern, group = constant if isinstance(constant, tuple) else (rf"\b{constant} = ([^;]+);", 1)
    found = set(match[group] for match in re.finditer(pattern, (ROOT / path).read_text()))
    if len(found) != 1:
        sys.exit(f"check_limits: {path} has {len(found)} definitions of {constant}")
    return number(found.pop())


def spelled(limit):
    """2^30 rather than its digits, from 2^16 on."""
    exponent = limit.bit_length() - 1
    return f"2^{exponent}" if exponent >= 16 and limit == 1 << exponent else str(limit)


def page():
    return HEAD + "".join(f"| {what} | {spelled(value(path, constant))} | [`{path}`](../{path}) |\n" for what, path, constant in ROWS) + """
Besides: memory, since the inputs are the caller's; D and Dv of a way, which `flashtile explain` names; and those of a GPU's
kernels, whose grids are laid out within what the device takes.
"""


def main():
    wanted = page()
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(wanted)
        return 0
    if PAGE.exists() and PAGE.read_text() == wanted:
        return 0
    print("docs/limits.md is not what the code says; tools/check_limits.py --write")
    return 1


if __name__ == "__main__":
    sys.exit(main())
