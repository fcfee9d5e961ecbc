"""The guards of infra/, each removed in turn: what keeps a plan from replacing, deleting, exposing or reordering, and
what keeps a wrong configuration from becoming one.

Owns what counts as a guard. They are found in the code, so that a new one is removed, too, without being listed here:

* an argument of the provider's or Pulumi's classes that guards, and the order of our own components;
* an element of a list of guards: grants, lifecycle rules, paths that replace or are ignored;
* a path that is ignored, made coarser;
* labels put on what must have none;
* the condition of a grant;
* a rule of the settings that never refuses.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

# Arguments that guard: leaving one out still runs, and is wrong.
_GUARDS = """
    protect delete_before_replace replace_on_changes ignore_changes custom_timeouts create delete depends_on
    retain_on_delete deletion_policy deletion_protection delete_contents_on_destroy force_destroy disable_on_destroy
    public_access_prevention uniform_bucket_level_access versioning soft_delete_policy lifecycle_rules docker_config
    cleanup_policies resource_runtime_spec enable_custom_service_account max_concurrent_run_count allow_queueing
    desired_state service_account condition attribute_condition expiration_ms matches_prefixes with_state
    require_partition_filter autoscaling_spec disk_spec labels encryption encryption_spec kms_key_name
    default_encryption_configuration rotation_period destroy_scheduled_duration retention_policy
    private_ip_google_access auto_create_subnetworks connection_preference log_config
"""
GUARDS = frozenset(_GUARDS.split())
# Lists of which every element guards something: rules, grants, paths. Functions that return one, names that hold one.
_LISTS = """
    _lifecycle grants on_project on_pipeline_account on_bucket on_datasets on_repository
    _REPLACED_NOT_UPDATED _MOVED_BY_AUTOSCALING _KEPT_UNTIL_DELETED
"""
LISTS = frozenset(_LISTS.split())
_UNLABELLED = ("gcp.vertex.AiPersistentResource",)  # a label replaces it
_ORDER = "after"  # the one guard among the arguments of our own components: what must be there before
_RULE = "_rule"  # how functions end that answer with the broken rule, or None
_TOLD = ("problem", "broken")  # by what a rule of the settings tells what it refuses
_GRANTS_CONDITION = 2  # its place among the arguments of a Grant


@dataclass(frozen=True)
class Mutant:
    """`source` is the file without its guard."""

    file: str
    line: int
    what: str
    source: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} without {self.what}"


@dataclass(frozen=True)
class _Removal:
    """`remove` changes the tree that it was found in."""

    line: int
    what: str
    remove: Callable[[], object]


def mutants(infra: Path) -> list[Mutant]:
    """Every guard of every file, once."""
    return [mutant for path in sorted(infra.glob("*.py")) for mutant in _of_file(path)]


def control(infra: Path) -> Mutant:
    """A file with all of its guards, which every test must let pass: else nothing that is killed means anything."""
    path = infra / "storage.py"
    return Mutant(path.name, 1, "nothing", ast.unparse(ast.parse(path.read_text())))


def _of_file(path: Path) -> Iterator[Mutant]:
    text = path.read_text()
    for number in range(len(list(_removals(ast.parse(text))))):
        tree = ast.parse(text)  # a tree of its own, from which one guard goes
        removal = list(_removals(tree))[number]
        removal.remove()
        yield Mutant(path.name, removal.line, removal.what, ast.unparse(tree))


def _removals(tree: ast.Module) -> Iterator[_Removal]:
    yield from _arguments(tree)
    yield from _elements(tree)
    yield from _paths(tree)
    yield from _labels(tree)
    yield from _conditions(tree)
    yield from _refusals(tree)


def _arguments(tree: ast.Module) -> Iterator[_Removal]:
    """Guards among the arguments of the provider's and Pulumi's own classes, and the order of our components."""
    for call in _calls(tree):
        guarding = GUARDS if _is_theirs(call) else {_ORDER}
        for keyword in call.keywords:
            if keyword.arg in guarding:
                what = f"{_name(call.func)}({keyword.arg}=…)"
                yield _Removal(keyword.value.lineno, what, partial(call.keywords.remove, keyword))


def _is_theirs(call: ast.Call) -> bool:
    name = _name(call.func)
    return name.startswith(("gcp.", "pulumi.", "docker_build.")) or name in (
        "ResourceOptions",
        "CustomTimeouts",
        "_Condition",
    )


def _elements(tree: ast.Module) -> Iterator[_Removal]:
    for display in _displays(tree):
        for element in display.elts:
            what = " ".join(ast.unparse(element).split())
            yield _Removal(element.lineno, what, partial(display.elts.remove, element))


def _paths(tree: ast.Module) -> Iterator[_Removal]:
    """`resourcePools[0].replicaCount` becomes `resourcePools`, which hides every other change of a pool, too."""
    for display in _displays(tree):
        for element in display.elts:
            if isinstance(element, ast.Constant) and "[" in str(element.value):
                coarse = str(element.value).partition("[")[0]
                what = f"what is below {coarse} in {element.value}"
                yield _Removal(element.lineno, what, partial(setattr, element, "value", coarse))


def _displays(tree: ast.Module) -> Iterator[ast.List | ast.Tuple]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in LISTS:
            for each in ast.walk(node):
                if isinstance(each, ast.Return):
                    yield from _written_out(each.value)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(_name(target).rpartition(".")[2] in LISTS for target in targets):
                yield from _written_out(node.value)


def _written_out(value: ast.expr | None) -> Iterator[ast.List | ast.Tuple]:
    """A list, or what a comprehension goes through, where that is written out."""
    source = value.generators[0].iter if isinstance(value, ast.ListComp) else value
    if isinstance(source, ast.List | ast.Tuple):
        yield source


def _labels(tree: ast.Module) -> Iterator[_Removal]:
    for call in _calls(tree):
        if _name(call.func) in _UNLABELLED:
            label = ast.keyword("labels", ast.Dict([ast.Constant("team")], [ast.Constant("ranking")]))
            yield _Removal(call.lineno, f"staying without labels: {_name(call.func)}", partial(_put, call, label))


def _put(call: ast.Call, keyword: ast.keyword) -> None:
    call.keywords = [*(each for each in call.keywords if each.arg != keyword.arg), keyword]


def _conditions(tree: ast.Module) -> Iterator[_Removal]:
    for call in _calls(tree):
        if _name(call.func) == "Grant" and len(call.args) > _GRANTS_CONDITION:
            condition = call.args[_GRANTS_CONDITION]
            what = f"the condition of {' '.join(ast.unparse(call).split())}"
            yield _Removal(call.lineno, what, partial(call.args.remove, condition))


def _refusals(tree: ast.Module) -> Iterator[_Removal]:
    """In a `…_rule` function each answer that refuses; in the settings' rules each problem that is told."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.endswith(_RULE):
            for each in ast.walk(node):
                if isinstance(each, ast.Return) and each.value is not None and not _is_none(each.value):
                    what = f"what {node.name} refuses: {' '.join(ast.unparse(each.value).split())}"
                    yield _Removal(each.lineno, what, partial(setattr, each, "value", ast.Constant(None)))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield | ast.YieldFrom):
            told = node.value.value
            if isinstance(told, ast.Call) and _name(told.func) in _TOLD:
                nothing = ast.YieldFrom(ast.Tuple([], ast.Load()))
                what = " ".join(ast.unparse(node).split())
                yield _Removal(node.lineno, what, partial(setattr, node, "value", nothing))


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
