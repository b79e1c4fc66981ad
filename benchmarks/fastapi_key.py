"""The key of the FastAPI contenders, apart from their module, which opens connections."""

SIGNING_KEY = "no secret: these servers live for the benchmark only"
