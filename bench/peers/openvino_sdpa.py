"""OpenVINO's ScaledDotProductAttention on its CPU plugin."""
import numpy
import openvino
from openvino import opset13

from peer import serve

TYPES = {"f32": openvino.Type.f32, "f16": openvino.Type.f16, "bf16": openvino.Type.bf16}
core = openvino.Core()


def prepare(p):
    if p["Hq"] != p["Hkv"]:
        raise ValueError("this peer's graph has no grouped heads")
    inputs = [opset13.parameter([p["B"], p["Hq"], length, width], openvino.Type.f32)
              for length, width in ((p["Lq"], p["D"]), (p["Lkv"], p["D"]), (p["Lkv"], p["Dv"]))]
    out = opset13.scaled_dot_product_attention(*inputs, causal=p["causal"])
    model = openvino.Model([out], inputs)
    request = core.compile_model(model, "CPU", {
        "INFERENCE_NUM_THREADS": p["threads"], "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": TYPES[p["dtype"]]}).create_infer_request()
    generator = numpy.random.default_rng(1)
    for i, node in enumerate(inputs):
        request.set_input_tensor(i, openvino.Tensor(generator.standard_normal(tuple(node.shape), dtype=numpy.float32)))
    return request.infer


serve("peer.openvino", prepare)
