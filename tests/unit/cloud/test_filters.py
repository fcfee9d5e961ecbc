import pytest

from local.cloud.errors import ApiError
from local.cloud.filters import compiled

ITEM = {
    "displayName": "nightly run",
    "state": "JOB_STATE_SUCCEEDED",
    "createTime": "2026-01-02T03:04:05.5Z",
    "labels": {"env": "dev", "a-b": "c"},
    "metadata": {"lr": 0.1, "name": "x", "deep": {"n": 3}},
    "parentContexts": ["projects/p/contexts/one", "projects/p/contexts/two"],
    "replicaCount": "12",
    "enabled": True,
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        'display_name="nightly run"',
        'displayName = "nightly*"',
        'display_name:"*ly r*"',
        "state=JOB_STATE_SUCCEEDED",
        "state!=JOB_STATE_FAILED",
        'labels.env="dev" AND labels.a-b=c',
        'labels."a-b":c',
        "labels:env",
        "labels.env:*",
        'create_time>"2026-01-02T00:00:00Z" create_time<="2026-01-02T04:04:05.5+01:00"',
        "metadata.lr.number_value > 0.05",
        'metadata.name.string_value="x"',
        "metadata.deep.n>=3",
        'parent_contexts:"projects/p/contexts/two"',
        'NOT state="JOB_STATE_FAILED"',
        "-state:FAILED",
        '(state="A" OR state="JOB_STATE_SUCCEEDED") AND enabled=true',
        'state="A" OR labels.env="dev"',
        "replicaCount>2",
        "gone!=x",
        "nightly",
        'display_name=~"^nightly"',
        'in_context("here")',
    ],
)
def test_what_is_selected(text: str) -> None:
    assert compiled(text, {"in_context": lambda item, name: name == "here"})(ITEM)


@pytest.mark.parametrize(
    "text",
    [
        "state=JOB_STATE_FAILED",
        "labels.env=prod",
        "gone=x",
        "gone>1",
        "NOT labels:env",
        "labels.gone:*",
        "metadata.lr<0.1",
        'create_time<"2026-01-01"',
        "absent",
        'display_name!~"^nightly"',
        "enabled=false",
        'parent_contexts:"three"',
    ],
)
def test_what_is_left_out(text: str) -> None:
    assert not compiled(text)(ITEM)


@pytest.mark.parametrize(
    "text", ["state=", "(state=A", "state=A)", "= A", "state AND", "nothing(1)", "a OR OR b", '"open']
)
def test_what_does_not_parse_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        compiled(text)
    assert repr(text) in refused.value.message
