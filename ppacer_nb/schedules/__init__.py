"""When DAGs run: cron expressions, intervals, and schedules of the user's own."""
