"""The guards of infra/, each removed in turn: what keeps a plan from replacing, deleting, exposing or reordering.


Owns what counts as a guard. They are found in the code, so that a new one is removed, too, without being listed here.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Arguments that guard: leaving one out still runs, and is wrong.
_GUARDS = """
    protect delete_before_replace replace_on_changes ignore_changes custom_timeouts depends_on retain_on_delete
    deletion_policy deletion_protection delete_contents_on_destroy force_destroy disable_on_destroy
    public_access_prevention uniform_bucket_level_access versioning soft_delete_policy lifecycle_rules docker_config
    cleanup_policies resource_runtime_spec enable_custom_service_account max_concurrent_run_count allow_queueing
    desired_state service_account condition attribute_condition expiration_ms matches_prefixes with_state
    require_partition_filter autoscaling_spec disk_spec labels
"""
GUARDS = frozenset(_GUARDS.split())
# Lists of which every element guards something: rules, grants.
LISTS = frozenset({"_lifecycle", "grants"})
_ORDER = "after"  # the one guard among the arguments of our own components: what must be there before


@dataclass(frozen=True)
class Mutant:
    """`source` is the file without its guard."""

    file: str
    line: int
    what: str
    source: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} without {self.what}"


def mutants(infra: Path) -> list[Mutant]:
    """Every guard of every file, once."""
    return [mutant for path in sorted(infra.glob("*.py")) for mutant in _of_file(path)]


def control(infra: Path) -> Mutant:
    """A file with all of its guards, which every test must let pass: else nothing that is killed means anything."""
    path = infra / "storage.py"
    return Mutant(path.name, 1, "nothing", ast.unparse(ast.parse(path.read_text())))


def _of_file(path: Path) -> Iterator[Mutant]:
    text = path.read_text()
    places = [*_arguments(ast.parse(text)), *_elements(ast.parse(text))]
    for number, (line, what) in enumerate(places):
        yield Mutant(path.name, line, what, _without(text, number))


def _without(text: str, number: int) -> str:
    """The source without the guard of that number, in the order of `_arguments` and then `_elements`."""
    tree = ast.parse(text)
    arguments = list(_argument_nodes(tree))
    if number < len(arguments):
        call, keyword = arguments[number]
        call.keywords.remove(keyword)
    else:
        display, element = list(_element_nodes(tree))[number - len(arguments)]
        display.elts.remove(element)
    return ast.unparse(tree)


def _arguments(tree: ast.AST) -> list[tuple[int, str]]:
    return [(keyword.value.lineno, f"{_name(call.func)}({keyword.arg}=…)") for call, keyword in _argument_nodes(tree)]


def _argument_nodes(tree: ast.AST) -> Iterator[tuple[ast.Call, ast.keyword]]:
    """Guards among the arguments of the provider's and Pulumi's own classes, and the order of our components."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            guarding = GUARDS if _is_theirs(call) else {_ORDER}
            yield from ((call, keyword) for keyword in call.keywords if keyword.arg in guarding)


def _is_theirs(call: ast.Call) -> bool:
    name = _name(call.func)
    return name.startswith(("gcp.", "pulumi.", "docker_build.")) or name in (
        "ResourceOptions",
        "CustomTimeouts",
        "_Condition",
    )


def _elements(tree: ast.AST) -> list[tuple[int, str]]:
    return [(element.lineno, ast.unparse(element)) for _, element in _element_nodes(tree)]


def _element_nodes(tree: ast.AST) -> Iterator[tuple[ast.List, ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in LISTS:
            displays = [each.value for each in ast.walk(node) if isinstance(each, ast.Return)]
        elif isinstance(node, ast.Assign | ast.AnnAssign) and _is_guarding_list(node):
            displays = [node.value]
        else:
            continue
        for display in displays:
            if isinstance(display, ast.List):
                yield from ((display, element) for element in display.elts)


def _is_guarding_list(node: ast.Assign | ast.AnnAssign) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(_name(target).rpartition(".")[2] in LISTS for target in targets)


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
