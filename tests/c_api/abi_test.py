#!/usr/bin/env python3
"""The binary interface is the one that c_api/abi.txt lists: abi_test.py LIBRARY CC [--write].

Listed are the symbols that the shared library shows, its name, and of the header each function, number, and struct with the
places of its fields. Until 1.0 a line may change with a new soname; fields and functions may be added at any time.
"""
import difflib
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LIST = ROOT / "c_api/abi.txt"


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def symbols(library):
    soname = re.search(r"SONAME.*\[(.*)\]", output("readelf", "-d", library)).group(1)
    shown = sorted(line.split()[-1] for line in output("nm", "-D", "--defined-only", library).splitlines())
    return [f"soname {soname}"] + [f"symbol {name}" for name in shown]


def header_text():
    text = (ROOT / "include/flashtile/flashtile.h").read_text()
    return re.sub(r"\(\s+", "(", re.sub(r"\s+", " ", re.sub(r"//.*|^\s*#.*(\\\n.*)*", "", text, flags=re.M)))


def layout(text, compiler):
    """A program that prints the numbers and the places of fields, and what it prints."""
    prints = []
    for names in re.findall(r"enum \{([^}]*)\}", text):
        for name in re.findall(r"FLASHTILE_\w+(?= =)", names):
            prints.append(f'printf("number {name} %d\\n", {name});')
    for fields, name in re.findall(r"typedef struct \w+ \{([^}]*)\} (\w+);", text):
        prints.append(f'printf("struct {name}: %zu bytes\\n", sizeof({name}));')
        for field in re.findall(r"(\w+)(?:\[\w+\])?(?=[;,])", fields):
            place = f"offsetof({name}, {field}), sizeof((({name}*)0)->{field})"
            prints.append(f'printf("  at %zu, %zu bytes: {field}\\n", {place});')
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "layout.c")
        source.write_text("#include <flashtile/flashtile.h>\n#include <stdio.h>\nint main(void) {" + "\n".join(prints) + "}\n")
        output(compiler, "-std=c11", "-I", ROOT / "include", source, "-o", source.with_suffix(""))
        return output(source.with_suffix("")).splitlines()


def main(library, compiler, write=None):
    text = header_text()
    functions = sorted(re.findall(r"FLASHTILE_API ([^;]*\));", text))
    found = symbols(library) + ["function " + function for function in functions] + layout(text, compiler)
    shown = {line.split()[1].split("@")[0] for line in found if line.startswith("symbol flashtile_")}
    declared = {re.search(r"(flashtile_\w+)\(", function).group(1) for function in functions}
    if shown != declared:
        print(f"declared or shown, not both: {sorted(shown ^ declared)}")
        return 1
    if write:
        LIST.write_text("\n".join(found) + "\n")
    difference = list(difflib.unified_diff(LIST.read_text().splitlines(), found, "c_api/abi.txt", "this build", lineterm="", n=0))
    print("\n".join(difference) or f"{len(functions)} functions as listed")
    return 1 if difference else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
