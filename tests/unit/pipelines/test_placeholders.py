import json
from typing import Any

import pytest

from local.cloud.pipelines.placeholders import Bindings, PlaceholderError

TOLD = {
    "inputs": {
        "parameterValues": {"n": 3},
        "artifacts": {"data": {"artifacts": [{"name": "a/1", "uri": "gs://b/d", "metadata": {"rows": 7}}]}},
    },
    "outputs": {
        "parameters": {"score": {"outputFile": "/gcs/b/score"}},
        "artifacts": {"model": {"artifacts": [{"name": "a/2", "uri": "gs://b/m", "metadata": {}}]}},
        "outputFile": "/gcs/b/executor_output.json",
    },
}


def bindings(*templates: str, **parameters: Any) -> Bindings:
    types = {"labels": "STRUCT", "ranges": "LIST", "text": "STRING", "flag": "BOOLEAN"}
    return Bindings(
        {"pipeline_job_name": "run-1", "pipeline_google_cloud_location": "l"},
        {"n": 3, "cfg": {"a": {"b": 1}}, "name": 'x "y"', **parameters},
        types,
        frozenset(templates),
        TOLD,
        lambda uri: uri.replace("gs://", "/gcs/"),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{$.inputs.parameters['n']}}", 3),
        ('{{$.inputs.parameters["n"]}}', 3),
        ("n={{$.inputs.parameters['n']}}", "n=3"),
        ("{{$.inputs.parameters['cfg']['a']}}", {"b": 1}),
        ("{{$.inputs.parameters['cfg']}}!", '{"a": {"b": 1}}!'),
        ("{{$.inputs.artifacts['data'].uri}}", "gs://b/d"),
        ("{{$.inputs.artifacts['data'].path}}", "/gcs/b/d"),
        ("{{$.inputs.artifacts['data'].name}}", "a/1"),
        ("{{$.inputs.artifacts['data'].metadata['rows']}}", 7),
        ("{{$.outputs.artifacts['model'].path}}", "/gcs/b/m"),
        ("{{$.outputs.parameters['score'].output_file}}", "/gcs/b/score"),
        ("{{$.outputs.output_file}}", "/gcs/b/executor_output.json"),
        ("{{$.pipeline_job_name}}/{{$.pipeline_google_cloud_location}}", "run-1/l"),
        ("{{$.inputs.parameters['labels']}}", {}),
        ("{{$.inputs.parameters['ranges']}}", []),
        ("a{{$.inputs.parameters['text']}}b", "ab"),
        ("{{$.inputs.parameters['flag']}}", False),
        ("{{$.inputs.parameters['name'].json_escape[1]}}", 'x \\"y\\"'),
        ("no placeholder {{ $x }}", "no placeholder {{ $x }}"),
    ],
)
def test_each_form_stands_for_its_value(text: str, expected: Any) -> None:
    assert bindings().resolve(text) == expected


def test_the_whole_executor_input_is_json_text() -> None:
    assert json.loads(bindings().resolve("{{$}}")) == TOLD


def test_a_value_that_the_spec_wrote_may_hold_placeholders_itself() -> None:
    made = bindings("args", args=["--n", "{{$.inputs.parameters['n']}}", "--in", "{{$.inputs.artifacts['data'].path}}"])
    assert made.parameter("args") == ["--n", "3", "--in", "/gcs/b/d"]


def test_a_value_from_outside_is_never_read_as_a_placeholder() -> None:
    assert (
        bindings(user="{{$.pipeline_job_name}}").resolve("{{$.inputs.parameters['user']}}") == "{{$.pipeline_job_name}}"
    )


def test_a_parameter_that_refers_to_itself_is_refused() -> None:
    with pytest.raises(PlaceholderError, match="'a' refers to itself"):
        bindings("a", a="{{$.inputs.parameters['a']}}").parameter("a")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ('{"IfPresent": {"InputName": "n", "Then": ["--n", "{{$.inputs.parameters[\'n\']}}"]}}', ["--n", "3"]),
        ('{"IfPresent": {"InputName": "gone", "Then": ["--g"], "Else": ["--no"]}}', ["--no"]),
        ('{"IfPresent": {"InputName": "gone", "Then": ["--g"]}}', []),
        ('{"IfPresent": {"InputName": "data", "Then": "yes"}}', ["yes"]),
        ('{"Concat": ["a", "{{$.inputs.parameters[\'n\']}}", "b"]}', ["a3b"]),
        ('{"Concat": ["a", {"IfPresent": {"InputName": "gone", "Then": "x", "Else": "y"}}]}', ["ay"]),
        (
            '{"IfPresent": {"InputName": "n", "Then": [{"Concat": ["--n=", "{{$.inputs.parameters[\'n\']}}"]}]}}',
            ["--n=3"],
        ),
        ('{"Concat"', ['{"Concat"']),
    ],
)
def test_structures_expand_in_a_command_line(word: str, expected: list[str]) -> None:
    assert bindings().argv([word]) == expected


def test_structures_expand_inside_a_nested_list_too() -> None:
    spec = [{"args": ["a", '{"IfPresent": {"InputName": "n", "Then": ["--n", "{{$.inputs.parameters[\'n\']}}"]}}']}]
    assert bindings("pools", pools=spec).parameter("pools") == [{"args": ["a", "--n", "3"]}]


def test_a_payload_takes_json_and_text_and_escapes_text_where_it_must() -> None:
    text, number, flag = (f"{{{{$.inputs.parameters['{name}']}}}}" for name in ("name", "n", "flag"))
    payload = f'{{"name": "{text}", "n": {number}, "flag": {flag}}}'
    assert json.loads(bindings().embedded(payload)) == {"name": 'x "y"', "n": 3, "flag": False}
    nested = '{"spec": "{\\"n\\": {{$.inputs.parameters[\'n\']}}}"}'
    assert json.loads(json.loads(bindings().embedded(nested))["spec"]) == {"n": 3}


@pytest.mark.parametrize(
    "text",
    ["{{$.nonsense}}", "{{$.inputs.artifacts['gone'].uri}}", "{{$.inputs.parameters['cfg']['z']}}"],
)
def test_what_stands_for_nothing_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(PlaceholderError, match=text[3:10].replace("$", r"\$").replace(".", r"\.")):
        bindings().resolve(text)
