"""The graph of a DAG as numbers and text, for the browser to draw once and to recolour afterwards."""

from __future__ import annotations

from typing import Any

from ppacer_nb.model.history import DagVersion
from ppacer_nb.views.dags import run_graph
from ppacer_nb.views.layout import layout
from ppacer_nb.views.shapes import Block, Box, EdgePath


def graph_view(version: DagVersion) -> dict[str, Any]:
    """Return where everything in the picture of `version` stands, in pixels from the corner (0, 0)."""
    graph = run_graph(version, {})
    placed = layout(graph)
    about = {node.id: (node.kind, node.detail) for node in graph.nodes}
    return {
        "key": f"{version.dag_id}@{version.version}",
        "tasks": [task.id for task in version.tasks],
        "width": placed.width,
        "height": placed.height,
        "boxes": [_box(box, *about[box.id]) for box in placed.boxes],
        "blocks": [_block(block) for block in placed.blocks],
        "edges": [_edge(path) for path in placed.paths],
    }


def _box(box: Box, kind: str, detail: str) -> dict[str, Any]:
    return {
        "id": box.id,
        "text": box.text,
        "kind": kind,
        "detail": detail,
        "small": box.small,
        "x": box.x,
        "y": box.y,
        "width": box.width,
        "height": box.height,
    }


def _block(block: Block) -> dict[str, Any]:
    place = {"x": block.x, "y": block.y, "width": block.width, "height": block.height}
    return {"tasks": list(block.ids), **place}


def _edge(path: EdgePath) -> dict[str, Any]:
    return {
        "points": [list(point) for point in path.points],
        "data": path.carries_data,
        "bundle": max(len(path.upstreams), len(path.downstreams)) > 1,
    }
