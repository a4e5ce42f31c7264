"""Two versions of a configuration: exactly the true changes, and what finding them costs."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import orjson
from deepdiff import DeepDiff

from baselines.canonical import Canonicaliser
from baselines.catalogue import load_catalogue
from baselines.compare import compare
from baselines.configuration import Configuration
from baselines.fingerprints import SecretKey
from baselines.reader import parse_configuration
from benchmarks.data import Raw, changed, noisy, utility
from benchmarks.measure import Ratio, ratio

CATALOGUE = load_catalogue()
SECRETS = SecretKey(b"bench", "bench")
FORM = Canonicaliser(CATALOGUE, zone=ZoneInfo("UTC"), secrets=SECRETS)
CHANGES = 20


def canonical(raw: Raw) -> Configuration:
    """Raw objects as a configuration."""
    return FORM.configuration(
        {name: [FORM.canonicalise(name, each).object for each in objects] for name, objects in raw.items()}
    )


def comparisons(size: int) -> Iterator[Ratio]:
    """Ours against DeepDiff on the documents as they come, and between two that are canonical already."""
    old, new = utility(size), changed(utility(size), CHANGES)
    one, other = orjson.dumps(old), orjson.dumps(new)

    def from_bytes() -> None:
        sides = [parse_configuration(data, "x.json", CATALOGUE, SECRETS) for data in (one, other)]
        assert len(compare(*sides, CATALOGUE).changes) == CHANGES

    stored_old, stored_new = canonical(old), canonical(new)

    def stored() -> None:
        assert len(compare(stored_old, stored_new, CATALOGUE).changes) == CHANGES

    from_bytes()
    stored()
    assert not compare(stored_old, canonical(noisy(old)), CATALOGUE).changes
    workload = f"K={CHANGES}, N={size:,}"
    yield ratio("DeepDiff(ignore_order) ÷ diff from bytes", workload, from_bytes,
                lambda: DeepDiff(old, new, ignore_order=True), at_least=50, inverse=True)  # fmt: skip
    yield ratio("diff of stored snapshots ÷ diff from bytes", workload, stored, from_bytes, at_most=0.15)
    yield ratio("diff from bytes ÷ loads of both", workload, from_bytes,
                lambda: (orjson.loads(one), orjson.loads(other)), at_most=3.0 if size <= 400 else 2.0)  # fmt: skip
