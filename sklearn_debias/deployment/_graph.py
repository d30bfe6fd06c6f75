"""Parts of a classifier as one ONNX graph."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from sklearn_debias.deployment._modules import Double, Exit, adaptive_max_pool
from sklearn_debias.deployment._parts import CAN, Part, Rows, Step

OPSET = 18  # the first that resizes as torch does, and what torch writes without a conversion
ML_OPSET = 3  # of ai.onnx.ml, for the steps of scikit-learn
TRIED = 2  # rows that a network is traced with
# What torch.onnx does not know, and ONNX has no operator for.
DECOMPOSED: dict[Any, Any] = {torch.ops.aten.adaptive_max_pool2d.default: adaptive_max_pool}


def open_session(content: bytes) -> Any:
    """Return onnxruntime's session of a graph."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its own log prints what it also raises
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def make_graph(parts: Sequence[Part], rows: Rows, dtype: torch.dtype, classes: np.ndarray) -> Any:
    """Return the ONNX model of ``parts``: X in, label and probabilities out.

    Parameters
    ----------
    parts : sequence of Part
    rows : Rows
    dtype : torch.dtype
        Of X.
    classes : ndarray of shape (k,)
    """
    every = [*parts, Exit()]
    if isinstance(every[0], Step):
        every.insert(0, Double())
    x = torch.zeros(TRIED, *_tried(rows), dtype=dtype)
    graphs: list[Any] = []
    modules: list[nn.Module] = []  # those since the last step
    for part in every:
        if isinstance(part, nn.Module):
            modules.append(part)
            continue
        if modules:
            graph, x = _of_module(nn.Sequential(*modules), x, _free(rows, first=not graphs))
            graphs.append(graph)
            modules = []
        graph, x = _of_step(part.estimator, x)
        graphs.append(graph)
    graph, _ = _of_module(nn.Sequential(*modules), x, _free(rows, first=not graphs))
    return _with_labels(_joined([*graphs, graph]), classes)


def _free(rows: Rows, *, first: bool) -> dict[int, Any]:
    """Return the axes of any length that a part has, the first one or another."""
    axes = (0, 2, 3) if first and rows.any_size else (0,)
    return dict.fromkeys(axes, torch.export.Dim.DYNAMIC)


def _tried(rows: Rows) -> tuple[int, ...]:
    """Return the shape of a row to trace with: of another size than images are resized to."""
    if not rows.any_size:
        return rows.shape
    channels, height, width = rows.shape
    return (channels, height + 3, width + 5)


def _of_module(module: nn.Module, x: torch.Tensor, axes: dict[int, Any]) -> tuple[Any, Any]:
    """Return the graph of a torch module, and what it gives for ``x`` (b, ...)."""
    with torch.no_grad():
        out = module(x)
    with warnings.catch_warnings():
        # Torch's own, of its future and of what it skips; what matters is checked by the runtime.
        warnings.simplefilter("ignore")
        try:
            # Not strict: an embedder listens to a layer, which a strict trace forbids.
            traced = torch.export.export(module.eval(), (x,), dynamic_shapes=(axes,), strict=False)
            if any(node.target in DECOMPOSED for node in traced.graph.nodes):
                traced = traced.run_decompositions(DECOMPOSED)
            program: Any = torch.onnx.export(
                traced, dynamo=True, opset_version=OPSET, verbose=False
            )
        except Exception as error:  # torch has many classes for it, and most are private
            reason = str(error.__cause__ or error).strip().splitlines()
            raise ValueError(
                f"`estimator` has a `module` that torch cannot export: "
                f"{reason[0] if reason else type(error).__name__}. Its forward must be made of "
                "torch's operations alone, with no branch on values and no fixed number of rows."
            ) from error
    return program.model_proto, out


def _of_step(estimator: Any, x: torch.Tensor) -> tuple[Any, torch.Tensor]:
    """Return the graph of a step of scikit-learn, and what it gives for ``x`` (b, features)."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType

    classifies = hasattr(estimator, "predict_proba")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names of columns
        given = x.numpy()
        out = estimator.predict_proba(given) if classifies else estimator.transform(given)
        try:
            graph = convert_sklearn(
                estimator,
                initial_types=[("X", DoubleTensorType([None, x.shape[1]]))],
                target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
                options={id(estimator): {"zipmap": False}} if classifies else None,
            )
            open_session(graph.SerializeToString())  # some graphs of skl2onnx mix types
        except Exception as error:  # of many classes; nearly all mean that it has no converter
            raise TypeError(
                f"`estimator` cannot be exported: it is or contains a {type(estimator).__name__}, "
                f"of which skl2onnx makes no graph that runs: {_first_line(error)}. {CAN}"
            ) from error
    if classifies:
        del graph.graph.output[0]  # labels, which the codes of the whole stand for
    return graph, torch.from_numpy(np.asarray(out, dtype=np.float64))


def _joined(graphs: list[Any]) -> Any:
    """Return one graph of several, each of which takes what the one before it gives."""
    from onnx import compose

    joined = None
    for number, graph in enumerate(graphs):
        _set_versions(graph, graphs)
        part = compose.add_prefix(graph, f"part{number}_")
        if joined is None:
            joined = part
        else:
            pair = (joined.graph.output[0].name, part.graph.input[0].name)
            joined = compose.merge_models(joined, part, io_map=[pair])
    return joined


def _set_versions(graph: Any, graphs: list[Any]) -> None:
    """Let a graph name the versions that all of them are written for."""
    from onnx import helper

    # skl2onnx, asked for one opset, names the oldest that has the same operators.
    domains = {
        "": OPSET,
        **{o.domain: ML_OPSET for g in graphs for o in g.opset_import if o.domain},
    }
    del graph.opset_import[:]
    graph.opset_import.extend(helper.make_opsetid(*pair) for pair in domains.items())
    graph.ir_version = max(g.ir_version for g in graphs)


def _with_labels(graph: Any, classes: np.ndarray) -> Any:
    """Return the graph with the labels of the codes, and plain names at both ends."""
    from onnx import TensorProto, helper, numpy_helper

    inside = graph.graph
    code, probabilities = (output.name for output in inside.output)
    _rename(inside, {inside.input[0].name: "X", probabilities: "probabilities"})
    labels = numpy_helper.from_array(classes, "classes")
    inside.initializer.append(labels)
    inside.node.append(helper.make_node("Gather", ["classes", code], ["label"], axis=0))
    del inside.output[:]
    make = helper.make_tensor_value_info
    inside.output.append(make("label", labels.data_type, ["rows"]))
    shape: list[Any] = ["rows", len(classes)]
    inside.output.append(make("probabilities", TensorProto.FLOAT, shape))
    graph.producer_name = "sklearn_debias"
    return graph


def _rename(inside: Any, names: dict[str, str]) -> None:
    """Rename tensors of a graph, and the free axes of its input wherever they are named."""
    for node in inside.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    inside.input[0].name = names[inside.input[0].name]
    free = dict(zip((0, 2, 3), ("rows", "height", "width"), strict=True))
    axes = {
        axis.dim_param: free[i]
        for i, axis in enumerate(inside.input[0].type.tensor_type.shape.dim)
        if axis.dim_param
    }
    for value in (*inside.input, *inside.value_info):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = axes.get(axis.dim_param, axis.dim_param)


def _first_line(error: Exception) -> str:
    """Return what an error says first."""
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
