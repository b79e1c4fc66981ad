"""The development server: `make run` and `make serve`. The API does not import this package."""
