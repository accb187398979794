"""Starts the service as process 1. One JSON object a line on stdout is its log."""

import json
import logging
import sys
import time

import uvicorn

FIELDS = ("method", "path", "status", "milliseconds", "rows", "provider", "because")


class Json(logging.Formatter):
    """One record as one JSON object. Headers and bodies are never logged: keys and data are in them."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


if __name__ == "__main__":
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Json())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # On SIGTERM uvicorn stops accepting, lets running requests end for 5 s at most, and leaves.
    uvicorn.run(
        "app.main:service", host="0.0.0.0", port=8000, log_config=None, access_log=False,
        server_header=False, timeout_graceful_shutdown=5,
    )
