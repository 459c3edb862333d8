"""QONNX's own executor as an oracle of Quant, BipolarQuant and Trunc."""

import warnings

import numpy as np
import onnx
import qonnx.core.onnx_exec
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.infer_shapes import InferShapes

_make_model = qonnx.core.onnx_exec.qonnx_make_model


def _make_model_that_onnx_runtime_reads(*arguments, **options):
    """The executor hands single nodes to ONNX Runtime in the newest format of the onnx package, which may be newer."""
    model = _make_model(*arguments, **options)
    model.ir_version = 8
    return model


qonnx.core.onnx_exec.qonnx_make_model = _make_model_that_onnx_runtime_reads


def with_batch(path, samples):
    """The model for a batch of so many samples; shapes along the way are inferred anew."""
    model = onnx.load(path)
    del model.graph.value_info[:]
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = samples
    output = model.graph.output[0].type.tensor_type
    if output.HasField("shape"):
        output.shape.dim[0].dim_value = samples
    return ModelWrapper(model).transform(InferShapes())


def _execute(model, x, **options):
    with warnings.catch_warnings():
        # of shapes that follow from a computed Reshape: inference leaves them open, the executor then goes by the data
        warnings.filterwarnings("ignore", message="Output shapes disagree")
        return qonnx.core.onnx_exec.execute_onnx(model, {model.graph.input[0].name: x}, **options)


def run_keeping(path, x):
    """Every value of the graph, by name, for one batch."""
    return _execute(with_batch(path, len(x)), x, return_full_exec_context=True)


def run(path, x, batch=100):
    """First output for all samples, (samples x elements); the number of samples is a multiple of the batch."""
    model = with_batch(path, batch)
    out = model.graph.output[0].name
    outputs = [_execute(model, x[i : i + batch])[out] for i in range(0, len(x), batch)]
    return np.concatenate(outputs).reshape(len(x), -1)
