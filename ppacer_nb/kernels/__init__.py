"""Running one notebook, or one function as a notebook, in a Jupyter kernel of its own."""
