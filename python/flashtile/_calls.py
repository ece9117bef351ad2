"""A call's structs, and their use again: most programs call with arrays that differ in nothing but their addresses."""
import sys
from ctypes import addressof, c_char

from flashtile._arrays import tensor_of
from flashtile._library import check


class Call:
    """The structs of one call of a function of the C interface, wired up. Used by one thread at a time."""

    def __init__(self, function):
        self.function, self.arguments = function, ()
        self.tensors = []  # of the arrays, in their order
        self.kept = []  # what the structs point to
        self.owners = []  # of the arrays' memory

    def take(self, x, name, writable=False):
        """The tensor of an array, and its address."""
        tensor, owner = tensor_of(x, name, writable)
        self.tensors.append(tensor)
        self.owners.append(owner)
        return tensor, addressof(tensor)

    def point_to(self, value):
        """The address of a number or struct that lives as long as the call."""
        self.kept.append(value)
        return addressof(value)

    def run(self):
        check(self.function(*self.arguments))


def address_of(x, writable):
    """Where a NumPy array's elements are."""
    try:
        return addressof(c_char.from_buffer(x))  # the quickest way there is, for arrays that are dense and may be written
    except (TypeError, ValueError, BufferError):
        data, read_only = x.__array_interface__["data"]
        if writable and read_only:
            raise ValueError("out is read-only; a result is written to it") from None
        return data


def addresses_of(arrays):
    """Where the elements of NumPy arrays are; the last array is the result."""
    last = len(arrays) - 1
    return [address_of(x, i == last) for i, x in enumerate(arrays)]


class Pool:
    """Calls that have been made, by all that is the same in the next one but the addresses."""

    MOST = 256

    def __init__(self):
        self.calls = {}
        self.array_type = None

    def serves(self, *arrays):
        """Whether the arrays are NumPy's own. NumPy is not imported for that."""
        if self.array_type is None:
            numpy = sys.modules.get("numpy")
            if numpy is None:
                return False
            self.array_type = numpy.ndarray
        kind = self.array_type
        for x in arrays:
            if type(x) is not kind:
                return False
        return True

    def run(self, key, arrays, addresses_of=addresses_of):
        """Runs an earlier call on these arrays, if there is one. A call is taken out while it runs: another thread, or code
        that interrupts this one, makes its own."""
        try:
            calls = self.calls[key]
            call = calls.pop()
        except (KeyError, IndexError, TypeError):  # TypeError: an option that cannot be a part of a key, such as an array
            return False
        try:
            for tensor, address in zip(call.tensors, addresses_of(arrays)):
                tensor.data = address
            check(call.function(*call.arguments))
        finally:
            calls.append(call)
        return True

    def keep(self, key, call):
        """After a call has run; its arrays are let go."""
        call.owners.clear()
        if len(self.calls) >= self.MOST:
            self.calls.clear()
        try:
            self.calls.setdefault(key, []).append(call)
        except TypeError:
            pass
