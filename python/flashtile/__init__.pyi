from typing import Any, Callable, Dict, Literal, Optional, Sequence, SupportsIndex, Tuple, TypeVar, Union, overload

Array = TypeVar("Array")
Offset = Union[Literal["top_left", "bottom_right"], SupportsIndex, Any]
ScoreStage = Literal["raw", "capped", "biased", "probabilities"]

__version__: str

class Plan:
    op: str
    way: str
    device: str
    kernel: str
    workspace_bytes: int
    stores_scores: bool
    refused: Dict[str, str]
    text: str
    def _repr_html_(self) -> str: ...

class Report(list[Dict[str, Any]]):
    @property
    def ok(self) -> bool: ...

@overload
def attention(q: Array, k: Any, v: Any, *, scale: Optional[float] = None, softcap: Optional[float] = None,
              causal: Optional[Union[bool, Offset]] = None, query_offset: Optional[Offset] = None,
              q_lengths: Any = None, kv_lengths: Any = None, q_row_starts: Any = None, kv_row_starts: Any = None, block_table: Any = None,
              q_segments: Any = None, kv_segments: Any = None, block_map: Any = None, q_block: Optional[int] = None, kv_block: Optional[int] = None, alibi_slopes: Any = None, sinks: Any = None, k_scales: Any = None, v_scales: Any = None, k_dtype: Optional[str] = None, v_dtype: Optional[str] = None, window: Optional[Sequence[int]] = None, mask: Any = None,
              bias: Any = None, way: Optional[str] = None, threads: Optional[int] = None, out: Any = None, out_dtype: Any = None, return_lse: Literal[False] = False,
              return_scores: None = None) -> Array: ...
@overload
def attention(q: Array, k: Any, v: Any, *, scale: Optional[float] = None, softcap: Optional[float] = None,
              causal: Optional[Union[bool, Offset]] = None, query_offset: Optional[Offset] = None,
              q_lengths: Any = None, kv_lengths: Any = None, q_row_starts: Any = None, kv_row_starts: Any = None, block_table: Any = None,
              q_segments: Any = None, kv_segments: Any = None, block_map: Any = None, q_block: Optional[int] = None, kv_block: Optional[int] = None, alibi_slopes: Any = None, sinks: Any = None, k_scales: Any = None, v_scales: Any = None, k_dtype: Optional[str] = None, v_dtype: Optional[str] = None, window: Optional[Sequence[int]] = None, mask: Any = None,
              bias: Any = None, way: Optional[str] = None, threads: Optional[int] = None, out: Any = None, out_dtype: Any = None, return_lse: Literal[True],
              return_scores: None = None) -> Tuple[Array, Array]: ...
@overload
def attention(q: Array, k: Any, v: Any, *, scale: Optional[float] = None, softcap: Optional[float] = None,
              causal: Optional[Union[bool, Offset]] = None, query_offset: Optional[Offset] = None,
              q_lengths: Any = None, kv_lengths: Any = None, q_row_starts: Any = None, kv_row_starts: Any = None, block_table: Any = None,
              q_segments: Any = None, kv_segments: Any = None, block_map: Any = None, q_block: Optional[int] = None, kv_block: Optional[int] = None, alibi_slopes: Any = None, sinks: Any = None, k_scales: Any = None, v_scales: Any = None, k_dtype: Optional[str] = None, v_dtype: Optional[str] = None, window: Optional[Sequence[int]] = None, mask: Any = None,
              bias: Any = None, way: Optional[str] = None, threads: Optional[int] = None, out: Any = None, out_dtype: Any = None, return_lse: bool = False,
              return_scores: ScoreStage) -> Tuple[Array, ...]: ...
def plan(q: Any, k: Any, v: Any, *, scale: Optional[float] = None, softcap: Optional[float] = None,
         causal: Optional[Union[bool, Offset]] = None, query_offset: Optional[Offset] = None,
         q_lengths: Any = None, kv_lengths: Any = None, q_row_starts: Any = None, kv_row_starts: Any = None, block_table: Any = None,
              q_segments: Any = None, kv_segments: Any = None, block_map: Any = None, q_block: Optional[int] = None, kv_block: Optional[int] = None, alibi_slopes: Any = None, sinks: Any = None, k_scales: Any = None, v_scales: Any = None, k_dtype: Optional[str] = None, v_dtype: Optional[str] = None, window: Optional[Sequence[int]] = None, mask: Any = None,
         bias: Any = None, way: Optional[str] = None, threads: Optional[int] = None, out: Any = None, out_dtype: Any = None, return_lse: bool = False,
         return_scores: Optional[ScoreStage] = None) -> Plan: ...
def explain(q: Any, k: Any, v: Any, **options: Any) -> None: ...
@overload
def merge_attention(outs: Sequence[Array], lses: Sequence[Any], *, sinks: Any = None, threads: Optional[int] = None,
                    out: Any = None, return_lse: Literal[False] = False) -> Array: ...
@overload
def merge_attention(outs: Sequence[Array], lses: Sequence[Any], *, sinks: Any = None, threads: Optional[int] = None,
                    out: Any = None, return_lse: Literal[True]) -> Tuple[Array, Array]: ...
def rotary(x: Array, positions: Any, *, interleaved: bool = False, dim: int = 0, base: float = 10000.0,
           frequencies: Optional[Sequence[float]] = None, inverse: bool = False, threads: Optional[int] = None,
           out: Any = None) -> Array: ...
def append_kv(cache_k: Any, cache_v: Any, k_new: Any, v_new: Any, positions: Any, *, rotary: Optional[Dict[str, Any]] = None,
              block_table: Any = None, threads: Optional[int] = None) -> None: ...
def gemm(a: Array, b: Any, *, out: Any = None, alpha: float = 1.0, beta: float = 0.0, way: Optional[str] = None,
         threads: Optional[int] = None) -> Array: ...
def plan_gemm(a: Any, b: Any, *, out: Any = None, alpha: float = 1.0, beta: float = 0.0, way: Optional[str] = None,
              threads: Optional[int] = None) -> Plan: ...
def info() -> Dict[str, Any]: ...
def set_log(callback: Optional[Callable[[str], object]]) -> None: ...
def check(q: Any = None, k: Any = None, v: Any = None, **options: Any) -> Report: ...
