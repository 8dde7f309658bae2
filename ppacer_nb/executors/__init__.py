"""Where tasks run: in Jupyter kernels, in threads of this process."""
