"""Tools for tests: simulated time, tasks that do as they are told, and what every store must pass.

What would my DAG do in March, and if the first download failed every time?

::

    march = simulate(dag, "2027-03-01", "2027-04-01", {"extract": [OSError("disk"), 42]})
    assert march.states == ["success"] * 31

And a whole scheduler, to steer it while time passes::

    with simulated(datetime(2027, 3, 1, tzinfo=UTC)) as world:
        world.script["load"] = [Does(OSError("disk"), after="5m"), 42]
        world.register(dag)
        world.advance("1d")
        assert [run.state for run in world.scheduler.history.runs()] == ["success"]

No time passes by itself in either, nothing in it sleeps, and it does the same every time. pytest finds the
fixture `ppacer_world` by itself.
"""

from ppacer_nb.store.contract import StoreContract
from ppacer_nb.testing.clock import SimulatedClock
from ppacer_nb.testing.dags import dag_spec
from ppacer_nb.testing.result import SimulatedRun, Simulation, SkippedPoints
from ppacer_nb.testing.script import Does, ScriptedExecutor
from ppacer_nb.testing.simulate import simulate
from ppacer_nb.testing.world import World, simulated

__all__ = [
    "Does",
    "ScriptedExecutor",
    "SimulatedClock",
    "SimulatedRun",
    "Simulation",
    "SkippedPoints",
    "StoreContract",
    "World",
    "dag_spec",
    "simulate",
    "simulated",
]
