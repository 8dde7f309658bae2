"""What users write: `DAG`, `task`, `notebook`, `bash`, and the placeholders."""
