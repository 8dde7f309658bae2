"""All parts of the dashboard, in the order of their tabs."""

from __future__ import annotations

from collections.abc import Mapping

from ppacer_nb.widgets.dag_page import DAG_PAGE
from ppacer_nb.widgets.overview import OVERVIEW
from ppacer_nb.widgets.part import Part
from ppacer_nb.widgets.run_page import RUN_PAGE

PARTS: Mapping[str, Part] = {part.name: part for part in (OVERVIEW, DAG_PAGE, RUN_PAGE)}
