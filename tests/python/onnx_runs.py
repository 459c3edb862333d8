"""ONNX Runtime as an oracle: every node computed as it is written."""

import numpy as np
import onnx
import onnxruntime


def session(model):
    """`model`: a path or a ModelProto."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    source = model.SerializeToString() if isinstance(model, onnx.ModelProto) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def run(model, x, batch=100):
    """First output for all samples, (samples x elements), in batches that the model's input allows."""
    opened = session(model)
    entry = opened.get_inputs()[0]
    if isinstance(entry.shape[0], int):
        batch = entry.shape[0]
    outputs = [opened.run(None, {entry.name: x[i : i + batch]})[0] for i in range(0, len(x), batch)]
    return np.concatenate(outputs).reshape(len(x), -1)


def run_keeping(path, names, x):
    """The values of the given names for one batch, and the output."""
    model = onnx.load(path)
    known = {value.name for value in model.graph.output}
    produced = {name for node in model.graph.node for name in node.output}
    for name in names:
        if name in produced and name not in known:
            model.graph.output.append(onnx.ValueInfoProto(name=name))
    opened = session(model)
    outputs = [value.name for value in opened.get_outputs()]
    entry = opened.get_inputs()[0].name
    return {entry: x, **dict(zip(outputs, opened.run(outputs, {entry: x})))}
