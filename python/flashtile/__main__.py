"""python -m flashtile [info | check]: what is there, or every way beside float64."""
import sys

import flashtile


def main(arguments):
    if arguments in ([], ["info"]):
        print(flashtile.info())
        return 0
    if arguments == ["check"]:
        report = flashtile.check()
        print(report)
        return 0 if report.ok else 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
