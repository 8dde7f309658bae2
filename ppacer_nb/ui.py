"""``ppacer ui``: the dashboard as a web page, served by Voila to this machine only.

Each visitor gets a kernel of their own that speaks to the running scheduler as any other notebook does. So
the page answers while the scheduler's own kernel is busy, and closing it touches nothing.
"""

from __future__ import annotations

import secrets
import webbrowser
from collections.abc import Callable
from html import escape
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat

from ppacer_nb.errors import NotRunning, SchedulerError

DEFAULT_PORT = 8866
_HOST = "127.0.0.1"
#: Voila's template asks a content network for fonts that nothing here uses; the page works offline and tells
#: nobody of itself.
_ONLY_FROM_HERE = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'"

Write = Callable[[str], None]


def serve_ui(store: Path, write: Write, *, port: int = DEFAULT_PORT, open_browser: bool = True) -> None:
    """Serve the dashboard of the scheduler on `store`, or of its history, until interrupted.

    Parameters
    ----------
    store
        The DuckDB file of the run history.
    write
        Takes the line that says where the page is.
    port
        On which port of the loopback interface; if it is taken, one near it is.
    open_browser
        Whether to open the page in the user's browser too.

    Raises
    ------
    SchedulerError
        If the extra ``ui`` is not installed.
    NotRunning
        If there is no history at `store`.
    """
    if find_spec("voila") is None:
        raise SchedulerError("the page needs Voila: install it with pip install 'ppacer-nb[ui]'.")
    if not store.exists():
        raise NotRunning(f"there is no run history at {store}: start a scheduler with %ppacer start.")
    token = secrets.token_urlsafe(24)
    with TemporaryDirectory(prefix="ppacer-ui-") as folder:
        page = Path(folder) / "ppacer.ipynb"
        nbformat.write(page_notebook(store), page)

        def tell(address: str) -> None:
            write(f"The dashboard of {store} is at {address}\nCtrl+C ends it; the scheduler goes on.")
            if open_browser:
                webbrowser.open(_detour(address, Path(folder)).as_uri())

        app = _voila(token, tell)
        app.initialize([str(page), *_options(port, token)])
        app.start()


def page_notebook(store: Path) -> Any:
    """Return the notebook that Voila serves: one cell that shows the dashboard."""
    code = f"from ppacer_nb.widgets import page\npage({str(store)!r})"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    notebook.metadata["title"] = "ppacer"
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    return notebook


def _options(port: int, token: str) -> list[str]:
    """Return Voila's options; as arguments they hold against any file of settings."""
    return [
        f"--Voila.ip={_HOST}",
        f"--Voila.port={port}",
        f"--Voila.token={token}",
        "--Voila.open_browser=True",
        "--Voila.log_level=WARN",
        "--VoilaConfiguration.show_tracebacks=True",
    ]


def _voila(token: str, tell: Callable[[str], None]) -> Any:
    # Not at the top: an extra, which most never install.
    from voila.app import Voila

    class Page(Voila):  # type: ignore[misc]  # Voila has no types
        """Voila, which says its address with the token, and opens that."""

        def launch_browser(self) -> None:
            tell(f"{self.connection_url}?token={token}")

    return Page(tornado_settings={"headers": {"Content-Security-Policy": _ONLY_FROM_HERE}})


def _detour(address: str, folder: Path) -> Path:
    """Return a page that leads to `address`, which all users of the machine could read as an argument."""
    page = folder / "open.html"
    page.touch(mode=0o600)
    page.write_text(f'<meta http-equiv="refresh" content="0; url={escape(address)}">')
    return page
