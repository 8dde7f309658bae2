"""The scheduler: an asyncio loop in a daemon thread that waits, asks the engine, carries out its commands."""
