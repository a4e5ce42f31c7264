"""``python -m monitor.sandbox``: the sandbox as a process of its own."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path

from baselines.catalogue import load_catalogue
from baselines.errors import Smart360Error
from monitor.sandbox.process import FOLLOW, end_with_stdin
from monitor.sandbox.server import create_app, run
from monitor.sandbox.world import START, World
from monitor.source.manifest import smart360_manifest


def main() -> int:
    """Serve until interrupted; the first line written is JSON with the address and the utility's id."""
    options = _options()
    if options.follow_stdin:
        end_with_stdin()
    try:
        world = sandbox_world(options.config, options.start, options.overlay)
        app = create_app(world, smart360_manifest().under(world.catalogue), faults=options.fault)
    except (Smart360Error, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    run(app, options.host, options.port, ready=lambda url: _tell(url, world.utility))
    return 0


def sandbox_world(config: Path | None, start: datetime = START, overlays: Sequence[Path] = ()) -> World:
    """A world from a configuration file; without one, the shipped San Francisco Water Authority.

    Args:
        overlays: types and fields that this SMART360 has besides.

    Raises:
        InvalidInput: the file cannot be read as a configuration.
        OSError: it cannot be opened.
    """
    if config is None:
        data = (resources.files("monitor") / "sandbox" / "tenants" / "swa.yaml").read_bytes()
        name = "swa.yaml"
    else:
        data, name = config.read_bytes(), config.name
    catalogue = load_catalogue()
    if overlays:  # what reads them takes long to load
        from rules.overlay import read_overlays
        from rules.pack import shipped_packs

        texts = [(path.name, path.read_bytes()) for path in overlays]
        catalogue = read_overlays(texts, catalogue, shipped_packs()).without_mistakes().catalogue
    return World.from_configuration(data, name, catalogue, start=start, clock=time.monotonic)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m monitor.sandbox", description="A SMART360 on this machine.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--config", type=Path, help="a configuration file; without it, the shipped one")
    parser.add_argument("--overlay", action="append", type=Path, default=[], help="what this SMART360 has besides")
    parser.add_argument("--start", type=datetime.fromisoformat, default=START, help="the world's time at first")
    parser.add_argument("--fault", action="append", default=[], help="a fault that is on from the beginning")
    parser.add_argument(FOLLOW, action="store_true", help="end when standard input closes")
    return parser.parse_args()


def _tell(url: str, utility: str) -> None:
    print(json.dumps({"url": url, "utility": utility}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
