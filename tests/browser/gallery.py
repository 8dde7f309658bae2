"""A team with seven weeks of history, for pictures of the dashboard: no two runs alike, always the same."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ppacer_nb import DAG, TaskContext, bash, run, task
from ppacer_nb.model.run_info import RunInfo
from ppacer_nb.testing import Does, simulated

WEEKS = 7


@task(executor="thread", retries=2, retry_delay="1m")
def extract(day: object, city: str, context: TaskContext) -> list[int]:
    """Read a day's sales."""
    context.logger.info("reading sales", extra={"city": city, "day": str(day)})
    context.logger.warning("3 rows without a price are left out", extra={"rows": 3})
    return [120, 80, 64]


@task(executor="thread")
def clean(rows: list[int]) -> list[int]:
    """Leave out what makes no sense."""
    return [row for row in rows if row > 0]


@task(executor="thread")
def by_city(rows: list[int]) -> dict[str, int]:
    """Add up what each city sold."""
    return {"Gdansk": sum(rows)}


@task(executor="thread")
def by_product(rows: list[int]) -> dict[str, int]:
    """Add up what was sold of each product."""
    return {"tea": max(rows), "coffee": min(rows)}


@task(executor="thread")
def report(cities: dict[str, int], products: dict[str, int]) -> str:
    """Write the page that goes to the branches."""
    return f"{len(cities)} cities, {len(products)} products"


@task(executor="thread")
def load(day: object) -> int:
    """Take the newest measurements."""
    time.sleep(0.4)
    return 48_210


@task(executor="thread")
def feature(rows: int, name: str) -> int:
    """Make one column of the training set."""
    time.sleep(len(name) / 4)
    return rows


@task(executor="thread")
def train(model: str, *columns: int) -> float:
    """Fit one model."""
    time.sleep(120)
    return 0.91


@task(executor="thread")
def choose(*scores: float) -> str:
    """Keep the best model."""
    return f"{max(scores):.2f}"


@task(executor="thread")
def fetch(source: str) -> int:
    """Ask one source for its figures."""
    if source == "billing":
        raise ConnectionError("billing.internal:5432 refused the connection (is the VPN up?)")
    return 1


@task(executor="thread")
def publish(*figures: int) -> int:
    """Put the figures where the others look for them."""
    return sum(figures)


def team_dags() -> list[DAG]:
    """Define the team's DAGs."""
    with DAG(
        "daily_sales",
        schedule="15 6 * * 1-5",
        timezone="Europe/Warsaw",
        description="What was sold yesterday, by city and by product, for the branches",
        tags=["finance", "daily"],
        params={"city": "Gdansk", "top": 5, "draft": False},
    ) as sales:
        rows = clean(extract(run.logical_date, run.params["city"]))
        report(by_city(rows), by_product(rows)) >> bash("rsync -a out/ branches:/srv/sales", id="send")
    with DAG(
        "train_models", schedule="30 2 * * *", description="Which model forecasts best", tags=["ml"]
    ) as models:
        data = load(run.logical_date)
        columns = [
            feature.override(id=f"feature_{name}")(data, name)
            for name in ("week", "weather", "price", "promo")
        ]
        choose(
            *(train.override(id=f"train_{name}")(name, *columns) for name in ("linear", "forest", "boosting"))
        )
    with DAG("hourly_metrics", schedule="@hourly", tags=["ops"], catchup="last") as metrics:
        publish(*(fetch.override(id=f"fetch_{name}")(name) for name in ("web", "shop", "billing")))
    with DAG("month_end", schedule="0 7 1 * *", timezone="America/New_York", tags=["finance"]) as month:
        publish.override(id="close_the_books")()
    return [sales, models, metrics, month]


def make_history(store: Path) -> None:
    """Let the team's DAGs run for some weeks up to now, in simulated time."""
    dice = random.Random(20261127)
    now = datetime.now(UTC)
    with simulated(now - timedelta(weeks=WEEKS), store=store) as world:
        for dag in team_dags():
            for id in dag.spec.tasks:
                world.script[id] = _performance(dice, id)
            world.register(dag)
        world.advance(now - world.clock.now() - timedelta(minutes=7))


def _performance(dice: random.Random, id: str) -> Callable[[RunInfo], Any]:
    """Return what a task does: it takes about as long as ever, seldom much longer, and fails now and then."""
    usual = 2 + len(id) * (25 if id.startswith("train_") else 2)
    reliable = {"fetch_billing": 0.93, "extract": 0.95, "train_boosting": 0.96}.get(id, 0.998)

    def perform(_: RunInfo) -> Does:
        seconds = usual * dice.lognormvariate(0, 0.25) * (4 if dice.random() < 0.03 else 1)
        if dice.random() > reliable:
            return Does(ConnectionError(f"{id}: the source did not answer in time"), after=seconds / 2)
        return Does(dice.randint(1_000, 90_000), after=seconds, prints=[f"{dice.randint(200, 9_000):,} rows"])

    return perform
