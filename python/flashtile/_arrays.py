"""Other libraries' arrays as tensors of the C interface, without a copy; and new arrays of the same kind.

No array library is imported: one whose array is given is there already.
"""
import ctypes
import sys
from ctypes import c_char_p, c_int, c_ssize_t, c_void_p, py_object

from flashtile._library import BF16, CPU, CUDA, F8_E4M3, F8_E5M2, F16, F32, F64, I8, I32, I64, MAX_RANK, U8, Tensor, check, lib, whole

# By the array interface's kind of type and bytes of an element.
INTERFACE_DTYPES = {"f8": F64, "f4": F32, "f2": F16, "i1": I8, "u1": U8, "b1": U8, "i4": I32, "i8": I64}
# By struct's letter, of the buffer protocol.
BUFFER_DTYPES = {"d": F64, "f": F32, "e": F16, "b": I8, "B": U8, "?": U8, "i": I32, "q": I64,
                 "l": I64 if ctypes.sizeof(ctypes.c_long) == 8 else I32}
LETTERS = {F64: "d", F32: "f", F16: "e", I8: "b", U8: "B", I32: "i", I64: "q"}
NUMPY_NAMES = {F64: "float64", F32: "float32", F16: "float16", I8: "int8", U8: "uint8", I32: "int32", I64: "int64"}
ITEMSIZES = {F64: 8, F32: 4, F16: 2, BF16: 2, I8: 1, U8: 1, I32: 4, I64: 8, F8_E4M3: 1, F8_E5M2: 1}
# Types of ml_dtypes, which the interface has no letters for.
ML_DTYPES = {"bfloat16": BF16, "float8_e4m3fn": F8_E4M3, "float8_e5m2": F8_E5M2}


class PyBuffer(ctypes.Structure):
    """Python's Py_buffer."""
    _fields_ = [("buf", c_void_p), ("obj", c_void_p), ("len", c_ssize_t), ("itemsize", c_ssize_t), ("readonly", c_int),
                ("ndim", c_int), ("format", c_char_p), ("shape", c_void_p), ("strides", c_void_p), ("suboffsets", c_void_p),
                ("internal", c_void_p)]


PYBUF_FULL_RO = 0x11C
DLPACK_READ_ONLY = 1
get_buffer = ctypes.pythonapi.PyObject_GetBuffer
get_buffer.argtypes = [py_object, c_void_p, c_int]
release_buffer = ctypes.pythonapi.PyBuffer_Release
release_buffer.argtypes, release_buffer.restype = [c_void_p], None
capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
capsule_pointer.argtypes, capsule_pointer.restype = [py_object, c_char_p], c_void_p
capsule_is = ctypes.pythonapi.PyCapsule_IsValid
capsule_is.argtypes = [py_object, c_char_p]


def kind_of(x):
    """The library that an array is of: "numpy", "torch", "jax", "cupy", or "" for any other."""
    module = type(x).__module__.partition(".")[0]
    if module in ("torch", "cupy", "numpy"):
        return module
    if module in ("jax", "jaxlib"):
        return "jax"
    numpy = sys.modules.get("numpy")
    return "numpy" if numpy is not None and isinstance(x, numpy.ndarray) else ""


def tensor_of(x, name, writable=False):
    """A Tensor over the memory of x, and what must live until nobody uses it.

    Raises TypeError for what is no array, ValueError for one that cannot be described or written.
    """
    kind = kind_of(x)
    if kind == "jax" and writable:
        raise ValueError(f"{name} is a JAX array, which nobody may write to; leave it out")
    if kind != "numpy" and hasattr(x, "__dlpack__"):
        return from_dlpack(x, name, writable)
    for attribute, device in (("__array_interface__", CPU), ("__cuda_array_interface__", CUDA)):
        if hasattr(x, attribute):
            return from_interface(x, getattr(x, attribute), device, name, writable)
    try:
        view = memoryview(x)
    except TypeError:
        raise TypeError(f"{name} is a {type(x).__name__}; expected an array: one with __dlpack__, the array interface or the "
                        "buffer protocol") from None
    return from_buffer(view, name, writable)


def described(name, data, dtype, shape, byte_strides, device):
    """A Tensor of what an array says of itself."""
    if len(shape) > MAX_RANK:
        raise ValueError(f"{name} has {len(shape)} dimensions; expected at most {MAX_RANK}")
    if byte_strides is not None and len(byte_strides) != len(shape):
        raise ValueError(f"{name} has {len(shape)} dimensions and {len(byte_strides)} strides")
    tensor = Tensor()
    tensor.dtype, tensor.data, tensor.rank, tensor.device_type = dtype, data, len(shape), device
    itemsize = ITEMSIZES[dtype]
    expected = itemsize
    for i in reversed(range(len(shape))):
        step = expected if byte_strides is None else byte_strides[i]
        if step % itemsize:
            raise ValueError(f"{name} has stride {step} bytes in dimension {i}; expected a multiple of its elements' {itemsize}")
        tensor.shape[i], tensor.strides[i] = whole(shape[i], f"a size of {name}"), whole(step // itemsize, f"a stride of {name}")
        expected *= shape[i]
    return tensor


def refuse_read_only(name):
    raise ValueError(f"{name} is read-only; a result is written to it")


def from_interface(x, interface, device, name, writable):
    """By the array interface's dictionary, version 3."""
    masked = sys.modules.get("numpy.ma")
    if interface.get("mask") is not None or masked is not None and isinstance(x, masked.MaskedArray):
        raise ValueError(f"{name} is a masked array, whose mask would be left out; give its data or filled(), and mask=")
    typestr = interface["typestr"]
    dtype = ML_DTYPES.get(str(getattr(x, "dtype", "")), INTERFACE_DTYPES.get(typestr[1:]))
    if dtype is None or typestr[0] == ">" and ITEMSIZES[dtype] > 1:
        raise ValueError(f"{name} has dtype {getattr(x, 'dtype', typestr)}; expected float32, float16, bfloat16 or another that "
                         "flashtile knows, in this machine's byte order")
    if not isinstance(interface.get("data"), tuple):
        raise ValueError(f"{name} has an array interface without an address")
    data, read_only = interface["data"]
    if writable and read_only:
        refuse_read_only(name)
    tensor = described(name, data, dtype, interface["shape"], interface.get("strides"), device)
    if device == CUDA:
        tensor.device_index = getattr(getattr(x, "device", None), "id", 0)
    return tensor, (x, interface)


def from_buffer(view, name, writable):
    """By the buffer protocol."""
    dtype = BUFFER_DTYPES.get(view.format.lstrip("@=<"))
    if dtype is None:
        raise ValueError(f"{name} has elements of format {view.format!r}; expected one of {', '.join(map(repr, BUFFER_DTYPES))}")
    if view.suboffsets:
        raise ValueError(f"{name} is a buffer of pointers to rows; expected one block of memory")
    if writable and view.readonly:
        refuse_read_only(name)
    buffer = PyBuffer()
    get_buffer(view, ctypes.addressof(buffer), PYBUF_FULL_RO)
    data = buffer.buf
    release_buffer(ctypes.addressof(buffer))  # the view holds the memory
    return described(name, data, dtype, view.shape, view.strides, CPU), view


def from_dlpack(x, name, writable):
    """By DLPack. The capsule is only looked into: it frees what it holds when it goes."""
    stream = {"stream": stream_of(x) or 1} if x.__dlpack_device__()[0] in (2, 13) else {}
    try:
        capsule = x.__dlpack__(max_version=(1, 1), **stream)
    except TypeError:  # a producer of before version 1
        capsule = x.__dlpack__(**stream)
    if capsule_is(capsule, b"dltensor_versioned"):
        pointer = capsule_pointer(capsule, b"dltensor_versioned")
        flags = ctypes.c_uint64.from_address(pointer + 24).value
        if writable and flags & DLPACK_READ_ONLY:
            refuse_read_only(name)
        pointer += 32
    else:
        pointer = capsule_pointer(capsule, b"dltensor")
    tensor = Tensor()
    try:
        check(lib.flashtile_tensor_from_dlpack(ctypes.addressof(tensor), pointer))
    except (ValueError, NotImplementedError) as error:
        raise ValueError(f"{name}: {error}") from None
    return tensor, capsule


def stream_of(x):
    """The stream that PyTorch or CuPy now queues work on; None for others and for arrays on a CPU."""
    kind = kind_of(x)
    if kind == "torch" and x.is_cuda:
        return sys.modules["torch"].cuda.current_stream(x.device).cuda_stream
    if kind == "cupy":
        return sys.modules["cupy"].cuda.get_current_stream().ptr
    return None


def empty_like(x, shape, dtype):
    """A new array of x's library, on x's device, and the same of what the caller is to get."""
    kind = kind_of(x)
    if kind in ("numpy", "jax"):  # JAX's arrays cannot be written: computed in NumPy's, given as JAX's
        numpy = sys.modules["numpy"]
        kept = dtype == BF16 and str(x.dtype) == "bfloat16"
        made = numpy.empty(shape, x.dtype if kept else NUMPY_NAMES[dtype])
        return made, sys.modules["jax"].numpy.asarray if kind == "jax" else None
    if kind == "torch":
        torch = sys.modules["torch"]
        return x.new_empty(shape, dtype=torch.bfloat16 if dtype == BF16 else getattr(torch, NUMPY_NAMES[dtype])), None
    if kind == "cupy":
        return sys.modules["cupy"].empty(shape, NUMPY_NAMES[dtype]), None
    if hasattr(x, "__array_namespace__"):
        namespace = x.__array_namespace__()
        return namespace.empty(shape, dtype=getattr(namespace, NUMPY_NAMES[dtype]), device=x.device), None
    if dtype not in LETTERS:
        raise ValueError("the result has a type that memoryview lacks; give out")
    count = 1
    for size in shape:
        count *= size
    if count == 0:
        raise ValueError(f"the result has shape {tuple(shape)}, of no elements, which memoryview lacks; give out")
    return memoryview(bytearray(count * ITEMSIZES[dtype])).cast(LETTERS[dtype], shape), None
