"""What this build knows and this machine offers."""
from ctypes import addressof

from flashtile._library import CPU, CUDA, METAL, DeviceInfo, WayInfo, check, lib

TYPES = {CPU: "cpu", CUDA: "cuda", METAL: "metal"}


class Info(dict):
    """A dictionary that prints as a few lines."""

    def __str__(self):
        lines = [f"flashtile {self['version']}"]
        for device in self["devices"]:
            lines.append("device   {device}: {name}, {architecture}, {compute_units} compute units".format(**device))
        lines += [f"device   {row['device']}: none; {row['reason']}" for row in self["unavailable"]]
        for op, ways in self["ways"].items():
            lines += [f"way      {op} {way['way']}: {way['about']}{'' if way['built'] else ' (not in this build)'}" for way in ways]
        return "\n".join(lines)


def rows(kind, count, get):
    for index in range(count()):
        row = kind()
        check(get(index, addressof(row)))
        yield row


def ways(op):
    count, get = getattr(lib, f"flashtile_{op}_way_count"), getattr(lib, f"flashtile_{op}_way")
    return [{"way": row.name.decode(), "built": bool(row.built), "about": row.about.decode()} for row in rows(WayInfo, count, get)]


def info():
    """The version, the devices of this machine (or why there are none), and the ways of each op, best first.

    A dictionary with the keys of `flashtile info --json`: version, devices, unavailable, ways. May be called from several
    threads.
    """
    found = Info(version=lib.flashtile_version().decode(), devices=[], unavailable=[],
                 ways={"attention": ways("attention"), "gemm": ways("gemm")})
    for row in rows(DeviceInfo, lib.flashtile_device_count, lib.flashtile_device):
        kind = TYPES[row.device_type]
        if row.unavailable_reason:
            found["unavailable"].append({"device": kind, "reason": row.unavailable_reason.decode()})
        else:
            found["devices"].append({"device": kind if kind == "cpu" else f"{kind}:{row.device_index}", "name": row.name.decode(),
                                     "architecture": row.architecture.decode(), "memory_bytes": row.memory_bytes,
                                     "compute_units": row.compute_units})
    return found
