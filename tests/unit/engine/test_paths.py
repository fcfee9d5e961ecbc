"""Property paths parse, match and reset as Pulumi's do."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import EngineError
from engine.paths import contains, parse, render, reset
from engine.values import Secret


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("root", ("root",)),
        ("root.nested", ("root", "nested")),
        ('root["nested"]', ("root", "nested")),
        ("root.array[0].nested", ("root", "array", 0, "nested")),
        ("root.array[0][1]", ("root", "array", 0, 1)),
        ('root["key with \\"escaped\\" quotes"]', ("root", 'key with "escaped" quotes')),
        ('["root key with a ."][100]', ("root key with a .", 100)),
        ("root.array[*].field", ("root", "array", "*", "field")),
        ('root.array["*"].field', ("root", "array", "*", "field")),
        ("foo-bar", ("foo-bar",)),
        ("*", ("*",)),
    ],
)
def test_a_path_is_read_as_pulumi_documents_it(text: str, path: tuple[str | int, ...]) -> None:
    assert parse(text) == path


@pytest.mark.parametrize("text", ["root[", "root[a]", '["root', ".root", 'root["a"'])
def test_a_path_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        parse(text)


@given(st.lists(st.one_of(st.text(min_size=1).filter(lambda key: "\\" not in key), st.integers(0, 99)), min_size=1))
def test_a_rendered_path_reads_back(elements: list[str | int]) -> None:
    path = tuple(elements)
    assert parse(render(path)) == path


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("resourcePools", "resourcePools[0].replicaCount", True),
        ("resourcePools[*].replicaCount", "resourcePools[0].replicaCount", True),
        ("resourcePools[1]", "resourcePools[0].replicaCount", False),
        ("labels.a", "labels", False),
        ("*", "anything.below", True),
    ],
)
def test_a_pattern_holds_what_lies_at_or_below_it(pattern: str, path: str, matches: bool) -> None:  # noqa: FBT001
    assert contains(parse(pattern), parse(path)) is matches


@pytest.mark.parametrize(
    ("path", "old", "new", "after"),
    [
        ("a", {"a": 1}, {"a": 2}, {"a": 1}),
        ("a", {}, {"a": 2}, {}),
        ("a", {"a": 1}, {}, {"a": 1}),
        ("a.b", {"a": {"b": 1}}, {"a": {"b": 2, "c": 3}}, {"a": {"b": 1, "c": 3}}),
        ("a[0]", {"a": [1, 2]}, {"a": [3, 4]}, {"a": [1, 4]}),
        ("a[*].b", {"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 3}, {"b": 4}]}, {"a": [{"b": 1}, {"b": 2}]}),
        ("a[*]", {"a": {"x": 1}}, {"a": {"y": 2}}, {"a": {"x": 1}}),
        ("a.b", {}, {}, {}),
        ("a", {"a": Secret(1)}, {"a": 2}, {"a": Secret(1)}),
        ("a.b", {"a": Secret({"b": 1})}, {"a": {"b": 2}}, {"a": {"b": Secret(1)}}),
    ],
)
def test_a_reset_gives_the_new_inputs_the_old_value(path: str, old: Any, new: Any, after: Any) -> None:
    assert reset(parse(path), old, new)
    assert new == after


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("a[0]", {"a": [1]}, {"a": []}),
        ("a[1].b", {"a": [1]}, {"a": [1]}),
        ("a[*].b", {"a": [{"b": 1}]}, {"a": [{"b": 2}, {"b": 3}]}),
        ("a.b", {"a": {"b": 1}}, {}),
    ],
)
def test_a_reset_across_added_or_removed_elements_fails(path: str, old: Any, new: Any) -> None:
    assert not reset(parse(path), copy.deepcopy(old), new)
