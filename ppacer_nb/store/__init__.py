"""The run history in one DuckDB file: an append-only log of events, and views over it."""
