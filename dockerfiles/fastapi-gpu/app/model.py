"""A folder with model.onnx and metadata.json in, digits out. Speaks to: ONNX Runtime, and the CUDA driver if any."""

import ctypes
import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
FEATURES = 64
CLASSES = 10


class NotUsable(Exception):
    """The model cannot answer; the message says why."""


class Model:
    """One loaded model. `provider` is what computes; `because` says why it is not the GPU."""

    def __init__(self, folder: Path) -> None:
        file = folder / "model.onnx"
        try:
            content = file.read_bytes()
            metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise NotUsable(f"no model in {folder}: {error}") from None
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.accuracy = metadata.get("accuracy")
        if metadata.get("sha256") != self.sha256:
            raise NotUsable(f"{file} is not the file that metadata.json describes")
        self._session, self.because = _session(content)
        self.provider = self._session.get_providers()[0]
        self.check()

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """One row of ten probabilities for each row of 64 grey values from 0 to 16."""
        (answer,) = self._session.run(["probabilities"], {"pixels": rows.astype(np.float32)})
        return answer

    def check(self) -> None:
        """One real forward pass. Raises NotUsable when what comes back is no set of probabilities."""
        try:
            answer = self.probabilities(np.zeros((1, FEATURES)))
        except Exception as error:  # ONNX Runtime has no common class for what a device can do wrong
            raise NotUsable(f"the forward pass failed: {error}") from None
        if answer.shape != (1, CLASSES) or not np.isfinite(answer).all() or abs(float(answer.sum()) - 1) > 1e-3:
            raise NotUsable("the forward pass gave no probabilities")


def _session(content: bytes) -> tuple[onnxruntime.InferenceSession, str | None]:
    """A session on the GPU; on the CPU with the reason when there is no GPU or it refuses."""
    because = _no_gpu()
    if because is None:
        try:
            # Its own fallback would print to stdout and keep the reason to itself.
            session = onnxruntime.InferenceSession(content, providers=[CUDA, CPU], enable_fallback=0)
        except Exception as error:  # as above
            because = f"a GPU is visible and CUDA does not start on it: {_short(error)}"
        else:
            if session.get_providers()[0] == CUDA:
                return session, None
            because = "a GPU is visible and ONNX Runtime could not load its CUDA provider"
    try:
        return onnxruntime.InferenceSession(content, providers=[CPU]), because
    except Exception as error:  # as above
        raise NotUsable(f"ONNX Runtime cannot read the model: {error}") from None


def _short(error: Exception) -> str:
    """The part that a person reads: ONNX Runtime puts file names and signatures around it."""
    text = " ".join(str(error).split())
    return text[max(text.find("CUDA failure"), 0) :].partition(" ; ")[0][:200]


def _no_gpu() -> str | None:
    """Why there is no GPU, or None when the driver shows one. Asking the driver is cheaper than a failed start."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver in this container"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return "the NVIDIA driver does not start"
    return None if count.value > 0 else "the NVIDIA driver shows no GPU"
