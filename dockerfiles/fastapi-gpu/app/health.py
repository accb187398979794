"""The image's HEALTHCHECK: exit 0 when the service can answer, 1 when it cannot. No curl needed."""

import sys
import urllib.error
import urllib.request

if __name__ == "__main__":
    try:
        urllib.request.urlopen("http://127.0.0.1:8000/health/ready", timeout=4).close()
    except (urllib.error.URLError, OSError) as error:
        sys.exit(f"not ready: {error}")
