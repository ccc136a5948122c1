"""Whether the tests run under the sanitizers."""

import os

SANITIZED = "san.so" in os.environ.get("LD_PRELOAD", "")
