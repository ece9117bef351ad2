"""What a call will do, and why."""
import dataclasses
import html
import json
from ctypes import addressof, c_void_p
from typing import Dict

from flashtile._library import check, lib


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a call runs. Prints itself, in a notebook as a table."""

    op: str  #: "attention" or "gemm"
    way: str  #: "flash.cpu", "tensor_ops", ...
    device: str  #: "cpu", "cuda:0", ...
    kernel: str  #: its name and what it is compiled for
    workspace_bytes: int  #: memory that the call needs besides arguments and results
    stores_scores: bool  #: whether that holds all scores, and grows with Lq x Lkv
    refused: Dict[str, str]  #: why not: each way before the chosen one, or every other when one was forced
    text: str = dataclasses.field(repr=False, compare=False)

    def __str__(self):
        return self.text.rstrip("\n")

    def _repr_html_(self):
        rows = [("way", self.way), ("device", self.device), ("kernel", self.kernel), ("workspace", f"{self.workspace_bytes} bytes")]
        rows += [(f"not {way}", reason) for way, reason in self.refused.items()]
        cells = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows)
        return f"<table><caption>{html.escape(self.op)}</caption>{cells}</table>"


def plan_of(call):
    """The plan that a call of a planning function makes."""
    made = c_void_p()
    check(call.function(addressof(made), *call.arguments))
    try:
        values = json.loads(lib.flashtile_plan_json(made))
        refused = {row["way"]: row["reason"] for row in values.pop("refused")}
        return Plan(**values, refused=refused, text=lib.flashtile_plan_text(made).decode())
    finally:
        lib.flashtile_plan_free(made)
