"""Who refers to whom inside a configuration, in both directions, from the references of the catalogue."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from baselines.catalogue import Catalogue, ResourceType
from baselines.configuration import Configuration
from baselines.values import Canonical

Node: TypeAlias = tuple[str, str]  #: resource type and natural key


def references_of(kind: ResourceType, values: Mapping[str, Canonical]) -> Iterator[tuple[str, Node]]:
    """Each reference of an object: its field, and the object referred to, there or not."""
    for each in kind.references():
        value = values.get(each.name)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str):
                yield each.name, (each.target, item)


@dataclass(frozen=True)
class ReferenceGraph:
    """The references between the objects of one configuration; lists are opened when it is first asked."""

    configuration: Configuration
    catalogue: Catalogue

    @cached_property
    def forward(self) -> Mapping[Node, tuple[tuple[str, Node], ...]]:
        """For each object the references it holds, each with its field."""
        return {
            (name, each.key): tuple(references_of(self.catalogue.types[name], each.values))
            for name in self.configuration.lists
            if name in self.catalogue.types
            for each in self.configuration.objects(name)
        }

    @cached_property
    def backward(self) -> Mapping[Node, tuple[Node, ...]]:
        """For each object that is referred to, there or not, those that refer to it."""
        found: dict[Node, dict[Node, None]] = defaultdict(dict)
        for node, references in self.forward.items():
            for _, there in references:
                found[there][node] = None
        return {there: tuple(sorted(nodes)) for there, nodes in found.items()}

    def refers(self, node: Node) -> tuple[Node, ...]:
        """What an object refers to."""
        return tuple(dict.fromkeys(there for _, there in self.forward.get(node, ())))

    def referred_by(self, node: Node) -> tuple[Node, ...]:
        """What refers to an object, also to one that is gone."""
        return self.backward.get(node, ())

    def dangling(self) -> tuple[tuple[Node, str, Node], ...]:
        """References that lead nowhere: who holds it, in which field, to what; into lists that were read alone."""
        return tuple(
            (node, name, there)
            for node, references in self.forward.items()
            for name, there in references
            if there not in self.forward and there[0] in self.configuration.lists
        )

    def dependents(self, node: Node) -> Mapping[Node, int]:
        """Everything that rests on an object, over however many references, nearest first; with how many."""
        found: dict[Node, int] = {node: 0}
        waiting = [node]
        for each in waiting:
            for other in self.referred_by(each):
                if other not in found:
                    found[other] = found[each] + 1
                    waiting.append(other)
        del found[node]
        return found
