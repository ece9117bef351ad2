#!/usr/bin/env python3
"""Checks that every relative link in the repository's Markdown leads to a file, and every #anchor to a heading."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


def anchors(text):
    """The anchors that the headings of a page get: lower case, punctuation dropped, spaces as hyphens."""
    headings = re.findall(r"^#{1,6}\s+(.+?)\s*$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower()).replace(" ", "-") for heading in headings}


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def main():
    pages = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True,
                           text=True, check=True).stdout.split()
    problems = []
    for page in (ROOT / name for name in pages):
        for groups in LINK.findall(without_code(page.read_text())):
            link = groups[0] or groups[1]
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path) if path else page
            where = page.relative_to(ROOT)
            if not target.exists():
                problems.append(f"{where}: {link} leads nowhere")
            elif anchor and target.suffix == ".md" and anchor not in anchors(target.read_text()):
                problems.append(f"{where}: {link} has no such heading")
    print("\n".join(problems) or f"links: {len(pages)} pages are sound")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
