"""The log: which way each problem is computed by, and why not by others."""
from flashtile._library import Log, check, lib

_callback = None


@Log
def _take(_user, text):  # one for the whole process: threads may still be in it when the callback is replaced
    callback = _callback
    if callback is not None:
        callback(text.decode())


def set_log(callback):
    """Sends the log to callback(text), in place of the one before; None turns it off, as it is at first.

    Texts     For each different problem that attention and gemm are called with, once: the shapes and types, the way that was
              chosen with its kernel, and why the ways before it were not; or why none can. They are for people.
    Threads   The callback is called by the thread that computes, by several at once. What it raises goes to
              sys.unraisablehook.
    """
    global _callback
    if callback is not None and not callable(callback):
        raise TypeError(f"set_log: callback is {callback!r}; a function of one text is expected, or None")
    _callback = callback
    check(lib.flashtile_set_log(_take if callback else Log(), None))
