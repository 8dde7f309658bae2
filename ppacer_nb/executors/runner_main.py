"""What a runner process runs: the runner, with the export of reports."""

import sys

from ppacer_nb.kernels.forkserver import ForkServer


def main() -> None:
    """Serve until the pipe of orders ends."""
    server = ForkServer()
    server.start()  # imports what kernels need, while this process imports what it needs itself

    # jsonschema, which nbformat imports, would build a grammar of IRIs for a second, where JupyterLab has
    # installed it: no notebook's schema has any.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

    from ppacer_nb.export.html import export_html
    from ppacer_nb.kernels.runner import serve

    serve(export_html, server)
