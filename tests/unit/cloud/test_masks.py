import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloud.errors import ApiError
from local.cloud.masks import mask_paths, masked_update, merge_patch, select


def test_a_mask_is_understood_in_either_case():
    assert mask_paths("display_name,labels.team,amount.specifiedAmount.units") == [
        ["displayName"],
        ["labels", "team"],
        ["amount", "specifiedAmount", "units"],
    ]


def test_only_what_the_mask_names_changes():
    old = {"a": 1, "b": 2}
    assert masked_update(old, {"a": 9, "b": 9}, "a") == {"a": 9, "b": 2}
    assert old == {"a": 1, "b": 2}


def test_a_named_field_that_the_body_lacks_is_cleared():
    assert masked_update({"a": 1, "b": {"c": 1, "d": 2}}, {"b": {}}, "a,b.c") == {"b": {"d": 2}}


def test_fixed_fields_never_change():
    assert masked_update({"name": "n", "a": 1}, {"name": "other", "a": 2}, "*", fixed=["name"]) == {"name": "n", "a": 2}


def test_a_merge_patch_removes_by_null_and_merges_objects():
    old = {"labels": {"a": "1", "b": "2"}, "lifecycle": {"rule": [1]}, "x": 1}
    patch = {"labels": {"a": None, "c": "3"}, "lifecycle": {"rule": []}, "x": None}
    assert merge_patch(old, patch) == {"labels": {"b": "2", "c": "3"}, "lifecycle": {"rule": []}}


@given(st.recursive(st.none() | st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner)))
def test_a_merge_patch_applied_twice_is_applied_once(patch):
    patch = patch if isinstance(patch, dict) else {}
    once = merge_patch({"a": {"b": 1}, "c": 2}, patch)
    assert merge_patch(once, patch) == once


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ("kind", {"kind": "list"}),
        ("items(name,size),next", {"items": [{"name": "a", "size": "1"}, {"name": "b", "size": "2"}], "next": "t"}),
        ("items/name", {"items": [{"name": "a"}, {"name": "b"}]}),
        ("items(owner/entity)", {"items": [{"owner": {"entity": "e"}}, {}]}),
        ("items(owner(entity),name)", {"items": [{"owner": {"entity": "e"}, "name": "a"}, {"name": "b"}]}),
        ("absent", {}),
        ("*/name", {"items": [{"name": "a"}, {"name": "b"}], "kind": "list", "next": "t"}),
    ],
)
def test_a_selector_leaves_what_it_names(fields, left):
    document = {
        "kind": "list",
        "items": [{"name": "a", "size": "1", "owner": {"entity": "e", "id": "i"}}, {"name": "b", "size": "2"}],
        "next": "t",
    }
    assert select(document, fields) == left


@pytest.mark.parametrize("fields", ["items(name", "items)"])
def test_a_selector_with_a_lone_parenthesis_is_refused(fields):
    with pytest.raises(ApiError, match="parenthesis"):
        select({}, fields)
