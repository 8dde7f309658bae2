"""What a runner process runs: the runner, with the export of reports."""

import json
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from ppacer_nb.kernels.forkserver import ForkServer


def main() -> None:
    """Serve until the pipe of orders ends. See `executors.kernel` for the arguments."""
    _, folder, preload, *connections = sys.argv[1:]
    given = Connection(int(connections[0])) if connections else None
    server = ForkServer(json.loads(preload), connection=given)

    # jsonschema, which nbformat imports, would build a grammar of IRIs for a second, where JupyterLab has
    # installed it: no notebook's schema has any.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

    from ppacer_nb.export.html import export_html
    from ppacer_nb.kernels.runner import serve

    serve(export_html, server, Path(folder))
