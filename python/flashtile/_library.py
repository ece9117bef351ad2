"""libflashtile and the structs of include/flashtile/flashtile.h, by ctypes. A call releases the GIL while it runs."""
import ctypes
import operator
import os
import pathlib
from ctypes import CFUNCTYPE, c_char_p, c_double, c_float, c_int32, c_int64, c_uint32, c_uint64, c_void_p

MAX_RANK = 8
F64, F32, F16, BF16, I8, U8, I32, INT4, UINT4, I64, F8_E4M3, F8_E5M2, Q8_0, Q4_0 = range(14)
CPU, CUDA, METAL = range(3)
HALVES, INTERLEAVED = range(2)
SCORE_STAGES = ("raw", "capped", "biased", "probabilities")
NOT_GIVEN, TOP_LEFT, BOTTOM_RIGHT, OFFSET, OFFSETS = range(5)


# Of a status what is raised; RuntimeError for the others.
EXCEPTIONS = {1: ValueError, 2: NotImplementedError, 3: MemoryError}


def whole(value, name, kind=c_int64):
    """A whole number, for a field of C that ctypes would otherwise cut it to. Errors: TypeError, ValueError."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}; expected a whole number") from None
    if kind(number).value != number:
        raise ValueError(f"{name} is {number}; expected at most {8 * ctypes.sizeof(kind)} bits")
    return number


def text(value, name):
    """A string for C. Errors: TypeError, ValueError."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}; expected a string")
    if "\0" in value:
        raise ValueError(f"{name} is {value!r}; expected no zero byte")
    return value.encode()


class Sized(ctypes.Structure):
    """A struct that says how long it is."""

    def __init__(self):
        super().__init__(ctypes.sizeof(self))


class Tensor(Sized):
    _fields_ = [("size", c_uint32), ("dtype", c_int32), ("data", c_void_p), ("rank", c_int32), ("device_type", c_int32),
                ("device_index", c_int32), ("reserved", c_int32), ("shape", c_int64 * MAX_RANK), ("strides", c_int64 * MAX_RANK)]


class Window(ctypes.Structure):
    _fields_ = [("left", c_int64), ("right", c_int64)]


class AttentionOptions(Sized):
    _fields_ = [("size", c_uint32), ("causal", c_int32), ("causal_offset", c_int64), ("query_offset_number", c_int64),
                ("query_offset", c_int32), ("softcap", c_float), ("scale", c_void_p), ("window", c_void_p), ("mask", c_void_p),
                ("bias", c_void_p), ("way", c_char_p), ("queue", c_void_p), ("causal_offsets", c_void_p), ("query_offsets", c_void_p),
                ("q_lengths", c_void_p), ("kv_lengths", c_void_p), ("alibi_slopes", c_void_p), ("sinks", c_void_p),
                ("q_row_starts", c_void_p), ("kv_row_starts", c_void_p), ("block_table", c_void_p), ("q_segments", c_void_p),
                ("kv_segments", c_void_p), ("block_map", c_void_p), ("q_block", c_int64), ("kv_block", c_int64), ("k_scales", c_void_p), ("v_scales", c_void_p)]


class AttentionOutputs(Sized):
    _fields_ = [("size", c_uint32), ("score_stage", c_int32), ("out", c_void_p), ("lse", c_void_p), ("workspace", c_void_p),
                ("workspace_bytes", c_uint64), ("scores", c_void_p)]


class MergeAttentionOptions(Sized):
    _fields_ = [("size", c_uint32), ("reserved", c_uint32), ("sinks", c_void_p), ("queue", c_void_p)]


class RotaryOptions(Sized):
    _fields_ = [("size", c_uint32), ("pairs", c_int32), ("dim", c_int64), ("base", c_double), ("frequencies", c_void_p),
                ("frequency_count", c_int64), ("inverse", c_int32), ("reserved", c_int32), ("queue", c_void_p)]


class AppendKvOptions(Sized):
    _fields_ = [("size", c_uint32), ("reserved", c_uint32), ("rotary", c_void_p), ("block_table", c_void_p), ("queue", c_void_p)]


class GemmOptions(Sized):
    _fields_ = [("size", c_uint32), ("beta", c_float), ("alpha", c_void_p), ("way", c_char_p), ("queue", c_void_p)]


class CpuQueueOptions(Sized):
    _fields_ = [("size", c_uint32), ("threads", c_int32), ("executor", c_void_p), ("executor_user", c_void_p),
                ("should_stop", c_void_p), ("should_stop_user", c_void_p)]


class WayInfo(Sized):
    _fields_ = [("size", c_uint32), ("built", c_int32), ("name", c_char_p), ("about", c_char_p)]


class DeviceInfo(Sized):
    _fields_ = [("size", c_uint32), ("device_type", c_int32), ("device_index", c_int32), ("compute_units", c_int32),
                ("memory_bytes", c_uint64), ("name", c_char_p), ("architecture", c_char_p), ("unavailable_reason", c_char_p)]


# Python's name of each struct of the header.
STRUCTS = {"flashtile_tensor": Tensor, "flashtile_window": Window, "flashtile_attention_options": AttentionOptions,
           "flashtile_attention_outputs": AttentionOutputs, "flashtile_merge_attention_options": MergeAttentionOptions,
           "flashtile_rotary_options": RotaryOptions, "flashtile_append_kv_options": AppendKvOptions,
           "flashtile_gemm_options": GemmOptions,
           "flashtile_cpu_queue_options": CpuQueueOptions, "flashtile_way_info": WayInfo, "flashtile_device_info": DeviceInfo}

# A callback of the log: user, text.
Log = CFUNCTYPE(None, c_void_p, c_char_p)

# What each function returns, and how many pointers it takes; a number among them is spelled out.
FUNCTIONS = {
    "flashtile_error_message": (c_char_p, []),
    "flashtile_error_refused_count": (c_int32, []),
    "flashtile_error_refused_way": (c_char_p, [c_int32]),
    "flashtile_error_refused_reason": (c_char_p, [c_int32]),
    "flashtile_version": (c_char_p, []),
    "flashtile_set_log": (c_int32, [Log, c_void_p]),
    "flashtile_tensor_from_dlpack": (c_int32, [c_void_p] * 2),
    "flashtile_attention": (c_int32, [c_void_p] * 5),
    "flashtile_plan_attention": (c_int32, [c_void_p] * 6),
    "flashtile_xla_attention": (c_void_p, [c_void_p]),
    "flashtile_merge_attention": (c_int32, [c_void_p, c_void_p, c_int32, c_void_p, c_void_p, c_void_p]),
    "flashtile_rotary": (c_int32, [c_void_p] * 4),
    "flashtile_append_kv": (c_int32, [c_void_p] * 6),
    "flashtile_gemm": (c_int32, [c_void_p] * 4),
    "flashtile_plan_gemm": (c_int32, [c_void_p] * 5),
    "flashtile_plan_json": (c_char_p, [c_void_p]),
    "flashtile_plan_text": (c_char_p, [c_void_p]),
    "flashtile_plan_free": (None, [c_void_p]),
    "flashtile_queue_create_cpu": (c_int32, [c_void_p] * 2),
    "flashtile_queue_create_cuda": (c_int32, [c_void_p, c_int32, c_void_p]),
    "flashtile_queue_free": (None, [c_void_p]),
    "flashtile_attention_way_count": (c_int32, []),
    "flashtile_attention_way": (c_int32, [c_int32, c_void_p]),
    "flashtile_gemm_way_count": (c_int32, []),
    "flashtile_gemm_way": (c_int32, [c_int32, c_void_p]),
    "flashtile_device_count": (c_int32, []),
    "flashtile_device": (c_int32, [c_int32, c_void_p]),
}


def load():
    """The library beside this file, or the one that FLASHTILE_LIBRARY names."""
    path = os.environ.get("FLASHTILE_LIBRARY") or str(pathlib.Path(__file__).with_name("libflashtile.so"))
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"flashtile's library cannot be loaded: {error}. Install the package (pip install .), or set "
                          "FLASHTILE_LIBRARY to a libflashtile_c.so of this version") from None
    for name, (returned, taken) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = returned, taken
    return library


lib = load()


def check(status):
    """Raises what a status other than 0 means, with this thread's message, and in `refused` why each way cannot, where none can."""
    if status:
        error = EXCEPTIONS.get(status, RuntimeError)(lib.flashtile_error_message().decode())
        error.refused = {lib.flashtile_error_refused_way(i).decode(): lib.flashtile_error_refused_reason(i).decode()
                         for i in range(lib.flashtile_error_refused_count())}
        raise error
