"""The queues that calls run on: one for each number of threads, and one for each stream of a GPU."""
import ctypes
import os

from flashtile._arrays import stream_of
from flashtile._library import CUDA, CpuQueueOptions, check, lib, whole

queues = {}
forks = 0  # how many this process has behind it


def queue_of(tensor, x, threads):
    """The queue of a call whose first array is x; None is the library's own."""
    if tensor.device_type == CUDA:
        if threads is not None:
            raise ValueError(f"threads is {threads}, and the arrays are on a GPU; leave it out")
        stream = stream_of(x)
        return kept(("cuda", tensor.device_index, stream), create_cuda) if stream is not None else None
    if threads is None and not forks:
        return None
    return kept(("cpu", whole(threads or 0, "threads", ctypes.c_int32)), create_cpu)


def kept(key, create):
    queue = queues.get(key)
    if queue is None:
        made = create(*key[1:])
        queue = queues.setdefault(key, made)  # another thread may have been faster
        if queue is not made:
            lib.flashtile_queue_free(made)
    return queue


def create_cpu(threads):
    options, queue = CpuQueueOptions(), ctypes.c_void_p()
    options.threads = threads
    check(lib.flashtile_queue_create_cpu(ctypes.addressof(queue), ctypes.addressof(options)))
    return queue.value


def create_cuda(index, stream):
    queue = ctypes.c_void_p()
    check(lib.flashtile_queue_create_cuda(ctypes.addressof(queue), index, stream or None))
    return queue.value


def after_fork():
    """A child has lost the threads of a queue that was busy, so that it makes its own."""
    global forks
    forks += 1
    queues.clear()


os.register_at_fork(after_in_child=after_fork)
