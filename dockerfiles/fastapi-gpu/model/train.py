"""Trains a small network on scikit-learn's digits and writes it as ONNX. argv: the folder to write into.

Seeds and one thread make the same packages give the same model. What it scores on pixels that it never saw stands
in metadata.json, next to the sha256 that the service checks.
"""

import hashlib
import json
import os
import platform
import sys
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # sums in one order; before numpy loads

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import sklearn  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402

BRIGHTEST = 16.0  # the data's grey values go from 0 to 16
GOOD_ENOUGH = 0.95


def network(classifier: MLPClassifier) -> onnx.ModelProto:
    """The classifier as ONNX: scaling, two layers, softmax. One input `pixels`, one output `probabilities`."""
    (first, second), (first_bias, second_bias) = classifier.coefs_, classifier.intercepts_
    constants = {
        "brightest": np.array(BRIGHTEST), "first": first, "first_bias": first_bias,
        "second": second, "second_bias": second_bias,
    }
    nodes = [
        helper.make_node("Div", ["pixels", "brightest"], ["scaled"]),
        helper.make_node("Gemm", ["scaled", "first", "first_bias"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("Gemm", ["active", "second", "second_bias"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes, "digits",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["rows", first.shape[0]])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", second.shape[1]])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    # An opset and a file version that every ONNX Runtime of the last years reads.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def main(folder: Path) -> None:
    """Train, export, judge the export, write."""
    pixels, digits = load_digits(return_X_y=True)
    seen, unseen, right, answers = train_test_split(pixels, digits, test_size=0.2, stratify=digits, random_state=0)
    classifier = MLPClassifier(hidden_layer_sizes=(64,), max_iter=500, random_state=0)
    classifier.fit(seen / BRIGHTEST, right)
    model = network(classifier)
    # The exported file is judged, not the object in memory.
    (probabilities,) = ReferenceEvaluator(model).run(None, {"pixels": unseen.astype(np.float32)})
    accuracy = float((probabilities.argmax(axis=1) == answers).mean())
    print(f"accuracy on {len(answers)} unseen images: {accuracy:.4f}")
    if accuracy < GOOD_ENOUGH:
        sys.exit(f"below {GOOD_ENOUGH}: not written")
    content = model.SerializeToString(deterministic=True)
    metadata = {
        "accuracy": round(accuracy, 4),
        "data": "scikit-learn digits",
        "held_out": len(answers),
        "input": "64 grey values from 0 to 16, an 8x8 image row by row",
        "sha256": hashlib.sha256(content).hexdigest(),
        "trained_on": len(right),
        "versions": {"numpy": np.__version__, "onnx": onnx.__version__, "python": platform.python_version(),
                     "scikit-learn": sklearn.__version__},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(content)
    (folder / "metadata.json").write_text(json.dumps(metadata, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
