"""Reports for people, from executed notebooks."""
