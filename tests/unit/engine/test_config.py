"""Configuration files are read as the pulumi command reads them, and what it refuses is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import StackConfig, read_config, read_project
from engine.errors import EngineError
from tests.unit.engine.conftest import Workplace


def read(folder: Path, text: str | bytes, project: str = "") -> StackConfig:
    (folder / "Pulumi.yaml").write_text(f"name: shop\nruntime: python\n{project}")
    (folder / "Pulumi.dev.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    return read_config(read_project(folder), "dev", None, {}, lambda salt, text: f"{salt}/{text}")


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("y", "y"),
        ("12:30", "12:30"),
        ("True", "true"),
        ("0777", "511"),
        ("0o17", "15"),
        ("0xb1", "177"),
        ("-0b11", "-3"),
        ("089", "89"),
        ("0", "0"),
        ("1_000", "1000"),
        ("1.10", "1.1"),
        ("1e3", "1000"),
        ("1e21", "1e+21"),
        (".5", "0.5"),
        ("1.", "1"),
        ("1.2.3", "1.2.3"),
        ("'0777'", "0777"),
        ("2024-01-02", "2024-01-02 00:00:00 +0000 UTC"),
        ("2024-01-02T03:04:05.50+02:00", "2024-01-02 03:04:05.5 +0200 +0200"),
        ("2024-13-02", "2024-13-02"),
        ("{at: 2024-01-02}", '{"at":"2024-01-02 00:00:00 +0000 UTC"}'),
        ("{b: 1.0, a: '<&>', 3: ~, true: [yes, no]}", r'{"3":null,"a":"\u003c\u0026\u003e","b":1,"true":["yes","no"]}'),
    ],
)
def test_a_value_is_the_text_that_pulumi_makes_of_it(tmp_path: Path, written: str, seen: str) -> None:
    assert read(tmp_path, f"config:\n  a: {written}\n").values == {"shop:a": seen}


def test_a_merge_key_merges_and_its_own_keys_win(tmp_path: Path) -> None:
    text = "base: &base {a: 1, b: 2}\nmore: &more {<<: *base, b: 3}\nconfig:\n  x: {<<: *more, c: 4}\n  y: *more\n"
    assert read(tmp_path, text).values == {"shop:x": '{"a":1,"b":3,"c":4}', "shop:y": '{"a":1,"b":3}'}


def test_a_key_without_a_value_is_an_empty_text_and_warned_of(workplace: Workplace) -> None:
    path = workplace.folder / "Pulumi.local.yaml"
    path.write_text(path.read_text() + "  shop:a:\n")
    result = workplace.program('pulumi.export("a", pulumi.Config().get("a"))').preview()
    assert result.outputs == {"a": ""}
    assert any(item.severity == "warning" and "shop:a has no value" in item.message for item in result.diagnostics)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config: {a: 1, a: 2}\n", "the key 'a' stands twice"),
        ("config: {a: {b: [{c: 1, c: 2}]}}\n", "the key 'c' stands twice"),
        ("config: {a: .inf}\n", r"'\.inf' is no number"),
        ("config: {a: [.NaN]}\n", r"'\.NaN' is no number"),
        ("config: 3\n", "config: 3"),
        ("config: false\n", "config: False"),
        ("config: [a]\n", r"config: \['a'\]"),
        ("config: {3: x}\n", "key 3, which is no text"),
        (b"config: {a: \xff}\n", r"Pulumi\.dev\.yaml cannot be read"),
        ("3\n", "is no mapping"),
    ],
)
def test_what_pulumi_refuses_is_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        read(tmp_path, text)


def test_a_projects_configuration_is_held_to_the_same(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="config: 3"):
        read(tmp_path, "", project="config: 3\n")


@pytest.mark.parametrize("salt", ["zz", "v1:zz", "v1:A:v1:AAAA:BBBB", "v2:AAAA:v1:AAAA:BBBB"])
def test_a_salt_that_is_none_is_refused(workplace: Workplace, salt: str) -> None:
    path = workplace.folder / "Pulumi.local.yaml"
    path.write_text(path.read_text() + f"  shop:key: {{secure: v1:AAAA:BBBB}}\nencryptionsalt: {salt}\n")
    with pytest.raises(EngineError, match=f"the salt '{salt[:16]}' is none"):
        workplace.program("").preview()
