"""HTTP in, digits out. Liveness says that the process runs, readiness that a forward pass works."""

import hmac
import logging
import os
import platform
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import fastapi
import numpy as np
import onnxruntime
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader
from pydantic import BaseModel, ConfigDict, Field

from app.model import CUDA, FEATURES, Model, NotUsable

log = logging.getLogger("service")

LARGEST_BODY = 1_000_000  # bytes; 256 rows are a tenth of it
MOST_ROWS = 256
Grey = Annotated[float, Field(ge=0, le=16, allow_inf_nan=False)]
Row = Annotated[list[Grey], Field(min_length=FEATURES, max_length=FEATURES)]


class Question(BaseModel):
    """One row of 64 grey values, or up to 256 of them."""

    model_config = ConfigDict(extra="forbid")
    instances: Row | Annotated[list[Row], Field(min_length=1, max_length=MOST_ROWS)]


class Digit(BaseModel):
    """The most likely digit of one row."""

    digit: int
    probability: float


class Answer(BaseModel):
    """One digit for each row, and what computed them."""

    predictions: list[Digit]
    provider: str


class Holder:
    """The model, loaded once; loading is tried again while there is none, since a volume may come late."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: Model | None = None

    def get(self) -> Model:
        """Return the model. Raises NotUsable."""
        with self._lock:
            if self._model is None:
                self._model = Model(Path(os.environ.get("MODEL_FOLDER", "/model")))
                log.info("model loaded", extra={"provider": self._model.provider, "because": self._model.because})
            return self._model


holder = Holder()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Load the model before the first request; without one the service lives and is not ready."""
    try:
        holder.get()
    except NotUsable as error:
        log.error("no model", extra={"because": str(error)})
    yield
    log.info("stopped")


service = FastAPI(title="Digits", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
key_header = APIKeyHeader(name="X-API-Key", auto_error=False)


def allowed(given: Annotated[str | None, Depends(key_header)]) -> None:
    """Compare keys in constant time. Without a key of its own the service lets nobody in."""
    expected = os.environ.get("API_KEY", "")
    if not expected:
        raise HTTPException(503, "API_KEY is not set")
    if given is None or not hmac.compare_digest(given.encode(), expected.encode()):
        raise HTTPException(401, "the X-API-Key header is missing or wrong")


def usable() -> Model:
    """The model, or 503 with the reason."""
    try:
        return holder.get()
    except NotUsable as error:
        raise HTTPException(503, str(error)) from None


@service.middleware("http")
async def watch(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse bodies that are too long before reading them, and log one line a request."""
    started = time.perf_counter()
    length = request.headers.get("content-length", "")
    if request.method == "POST" and not length.isdecimal():
        response: Response = JSONResponse({"detail": "Content-Length is required"}, status_code=411)
    elif length.isdecimal() and int(length) > LARGEST_BODY:
        response = JSONResponse({"detail": f"at most {LARGEST_BODY} bytes"}, status_code=413)
    else:
        response = await handle(request)
    # Health checks that pass come every few seconds and say nothing.
    if response.status_code != 200 or not request.url.path.startswith("/health/"):
        log.info("request", extra={
            "method": request.method, "path": request.url.path[:200], "status": response.status_code,
            "milliseconds": round((time.perf_counter() - started) * 1000, 1),
        })
    return response


@service.exception_handler(RequestValidationError)
async def refuse(_: Request, error: RequestValidationError) -> JSONResponse:
    """Say what is wrong and where, without sending the input back: it may be long, or NaN, which JSON cannot say."""
    problems = [{"where": [str(part) for part in problem["loc"]], "what": problem["msg"]} for problem in error.errors()]
    return JSONResponse({"detail": problems[:10]}, status_code=422)


@service.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers. Kubernetes restarts it when it does not."""
    return {"status": "live"}


@service.get("/health/ready")
def ready(model: Annotated[Model, Depends(usable)]) -> dict[str, str]:
    """A forward pass works, on the GPU if REQUIRE_GPU says so. Kubernetes sends no requests while it does not."""
    if not os.environ.get("API_KEY"):
        raise HTTPException(503, "API_KEY is not set")
    if os.environ.get("REQUIRE_GPU", "").lower() in ("1", "true", "yes") and model.provider != CUDA:
        raise HTTPException(503, f"REQUIRE_GPU is set: {model.because}")
    try:
        model.check()
    except NotUsable as error:
        raise HTTPException(503, str(error)) from None
    return {"status": "ready", "provider": model.provider}


@service.get("/info")
def info(model: Annotated[Model, Depends(usable)]) -> dict[str, object]:
    """What runs here."""
    return {
        "provider": model.provider,
        "because": model.because,
        "model": {"sha256": model.sha256, "accuracy": model.accuracy},
        "versions": {
            "cuda": os.environ.get("CUDA_VERSION"),
            "fastapi": fastapi.__version__,
            "numpy": np.__version__,
            "onnxruntime": onnxruntime.__version__,
            "python": platform.python_version(),
        },
    }


@service.post("/predict", dependencies=[Depends(allowed)])
def predict(question: Question, model: Annotated[Model, Depends(usable)]) -> Answer:
    """The digit on each 8×8 image."""
    rows = np.atleast_2d(np.asarray(question.instances, dtype=np.float32))
    probabilities = model.probabilities(rows)
    best = probabilities.argmax(axis=1)
    digits = [Digit(digit=int(digit), probability=round(float(row[digit]), 4))
              for digit, row in zip(best, probabilities, strict=True)]
    return Answer(predictions=digits, provider=model.provider)
