"""Latency of the server in ``examples/serve`` on loopback, from ONNX and from joblib.

    python -m benchmarks serve [--quick]

A server process with one worker, and 1, 10 or 100 clients that ask for one row each, again and
again, over connections that stay open. All clients run in one process beside the server, so that
from some number of clients on the figures are those of two processes that keep each other busy. The
clients are aiohttp's: httpx takes more time for a hundred connections than the server does.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._frame import Row, Settings
from benchmarks._tables import Table, seconds_as_words

FOLDER = Path(__file__).parents[1] / "examples" / "serve"
CLIENTS = (1, 10, 100)
REQUESTS = 3000
PERCENTS = (50, 95, 99)
QUESTION = {"rows": [[float(k % 17) for k in range(64)]]}
DEADLINE = 60.0  # seconds that a client waits at most


@contextmanager
def served(model: Path) -> Iterator[str]:
    """Run a server of its own; yield its address."""
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(FOLDER), "app:app"]
    command += ["--port", "0", "--no-access-log", "--no-use-colors"]
    environment = os.environ | {"MODEL": str(model), "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            yield address_of(server)
        finally:
            server.terminate()


def address_of(server: Any) -> str:
    """Return the address that a server chose, which it says when it is ready."""
    for line in server.stderr:
        found = re.search(r"running on (http://\S+)", line)
        if found:
            return found[1]
    raise RuntimeError("the server ended before it had begun")


async def asked(address: str, clients: int, each: int) -> tuple[list[float], float]:
    """Return the seconds of all requests, and those from the first to the last."""
    import aiohttp

    seconds: list[float] = []

    async def client(n: int) -> None:
        for _ in range(n):
            start = time.perf_counter()
            async with session.post(f"{address}/predict", json=QUESTION) as answer:
                answer.raise_for_status()
                await answer.read()
            seconds.append(time.perf_counter() - start)

    connector = aiohttp.TCPConnector(limit=clients)
    timeout = aiohttp.ClientTimeout(total=DEADLINE)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        await asyncio.gather(*(client(2) for _ in range(clients)))  # connections, first calls
        seconds.clear()
        start = time.perf_counter()
        await asyncio.gather(*(client(each) for _ in range(clients)))
        return seconds, time.perf_counter() - start


def latency(address: str, clients: int, requests: int) -> dict[str, Any]:
    """Return percentiles of the latency, and requests per second."""
    seconds, whole = asyncio.run(asked(address, clients, max(1, requests // clients)))
    found = np.percentile(seconds, PERCENTS).tolist()
    return {"latency": found, "rate": len(seconds) / whole}


def measure(settings: Settings) -> Iterator[Row]:
    """Yield latencies by file and number of clients."""
    requests = settings.some(REQUESTS)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(FOLDER / "train.py"), folder]
        subprocess.run(command, check=True, capture_output=True)
        for name in ("model.onnx", "model.joblib"):
            with served(Path(folder) / name) as address:
                for clients in CLIENTS:
                    if settings.wants(name):
                        yield {
                            "case": name.removeprefix("model."),
                            "clients": clients,
                            **latency(address, clients, requests),
                        }


def table(rows: list[Row]) -> Table:
    """Return latencies and rates."""
    head = ["file", "clients", *(f"{percent} % within" for percent in PERCENTS), "requests/s"]
    lines = [
        [
            row["case"],
            str(row["clients"]),
            *map(seconds_as_words, row["latency"]),
            f"{row['rate']:,.0f}",
        ]
        for row in rows
    ]
    return Table(head, lines)
