"""What happens next: pure state machines. Time comes in as an argument, decisions go out as commands."""
