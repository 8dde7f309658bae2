"""All parts of the dashboard, in the order of their tabs."""

from __future__ import annotations

from collections.abc import Mapping

from ppacer_nb.widgets.compare_page import COMPARE_PAGE
from ppacer_nb.widgets.dag_page import DAG_PAGE
from ppacer_nb.widgets.overview import OVERVIEW
from ppacer_nb.widgets.part import Part
from ppacer_nb.widgets.run_page import RUN_PAGE
from ppacer_nb.widgets.runs_table import RUNS_TABLE

_ALL = (OVERVIEW, DAG_PAGE, RUNS_TABLE, RUN_PAGE, COMPARE_PAGE)
PARTS: Mapping[str, Part] = {part.name: part for part in _ALL}
