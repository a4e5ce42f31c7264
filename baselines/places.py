"""Where a path of a validated document stands, so that a mistake can be told with its line."""

from collections.abc import Sequence

from baselines import document


def place_of(tree: document.Node, where: Sequence[str | int]) -> tuple[int, int]:
    """Line and column of a path in a document; of its nearest part where the end is missing."""
    node = tree
    line, column = tree.line, tree.column
    for part in where:
        if isinstance(node, document.Mapping) and part in node.items:
            line, column = node.keys[str(part)].line, node.keys[str(part)].column
            node = node.items[str(part)]
        elif isinstance(node, document.Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
            line, column = node.line, node.column
    return line, column
