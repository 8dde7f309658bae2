"""Plain data about DAGs, tasks and runs, and pure functions over it. No I/O, no clock, no threads."""
