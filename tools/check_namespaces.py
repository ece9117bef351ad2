#!/usr/bin/env python3
"""What a program can meet twice, in two versions of flashtile, has the version in its namespace: check_namespaces.py [--write].

Sources of include/flashtile and of the library open `flashtile` as `flashtile::inline vMAJOR_MINOR`, with the version of
CMakeLists.txt, so that two plug-ins with a flashtile each never call one another's. Other sources do so where they open one of
the library's own namespaces again. --write changes what differs; after a new version that is every file.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIBRARY = re.compile(r"(include/flashtile|src/(core|backends|ops|metal_kernels))/")
OPENED = re.compile(r"^((?:// |\}  // )?namespace flashtile)(?:::inline v\d+_\d+)?((?:::\w+)*)(?= \{|$)", re.MULTILINE)
PARTS = ("::primitives", "::kernels", "::ops", "::backend", "::core", "::detail")


def version():
    major, minor = re.search(r"project\(flashtile VERSION (\d+)\.(\d+)", (ROOT / "CMakeLists.txt").read_text()).groups()
    return f"v{major}_{minor}"


def versioned(name, text, now):
    """The text as it should be."""

    def renamed(found):
        head, inner = found.groups()
        return f"{head}::inline {now}{inner}" if LIBRARY.match(name) or inner.startswith(PARTS) or inner == "::metal" else found.group(0)

    return OPENED.sub(renamed, text)


def main(arguments):
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.h", "*.cc", "*.cu", "*.metal"],
                            cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    now, wrong = version(), []
    for path in (ROOT / name for name in listed):
        if not path.exists():
            continue
        name, text = path.relative_to(ROOT).as_posix(), path.read_text()
        right = versioned(name, text, now)
        if right != text:
            wrong.append(name)
            if "--write" in arguments:
                path.write_text(right)
    if "--write" in arguments:
        print(f"namespaces: {len(wrong)} files changed to {now}")
        return 0
    print("\n".join(f"{name}: opens flashtile without ::inline {now}; tools/check_namespaces.py --write does it" for name in wrong) or
          f"namespaces: all of {now}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
