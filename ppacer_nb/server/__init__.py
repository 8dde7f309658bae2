"""The HTTP API of a running scheduler, for other notebooks and processes, and its client."""
