"""What a runner process runs: the runner, with the export of reports."""

from ppacer_nb.export.html import export_html
from ppacer_nb.kernels.runner import serve


def main() -> None:
    """Serve until the pipe of orders ends."""
    serve(export_html)
