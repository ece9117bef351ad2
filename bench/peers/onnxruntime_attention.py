"""onnxruntime's Attention operator (ONNX opset 23) on its CPU provider. float32 and float16."""
import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper

from peer import serve

TYPES = {"f32": (TensorProto.FLOAT, numpy.float32), "f16": (TensorProto.FLOAT16, numpy.float16)}


def prepare(p):
    if p["dtype"] not in TYPES:
        raise ValueError("its CPU provider has no bfloat16 attention")
    onnx_type, numpy_type = TYPES[p["dtype"]]
    shapes = {"q": (p["B"], p["Hq"], p["Lq"], p["D"]), "k": (p["B"], p["Hkv"], p["Lkv"], p["D"]),
              "v": (p["B"], p["Hkv"], p["Lkv"], p["Dv"])}
    node = helper.make_node("Attention", ["q", "k", "v"], ["o"], is_causal=int(p["causal"]))
    graph = helper.make_graph(
        [node], "attention", [helper.make_tensor_value_info(n, onnx_type, s) for n, s in shapes.items()],
        [helper.make_tensor_value_info("o", onnx_type, (p["B"], p["Hq"], p["Lq"], p["Dv"]))])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = p["threads"]
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    generator = numpy.random.default_rng(1)
    feed = {n: generator.standard_normal(s, dtype=numpy.float32).astype(numpy_type) for n, s in shapes.items()}
    return lambda: session.run(None, feed)


serve("peer.onnxruntime", prepare)
