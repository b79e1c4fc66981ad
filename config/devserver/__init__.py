"""What `make run` and `make serve` start. Nothing of the API imports this package."""
