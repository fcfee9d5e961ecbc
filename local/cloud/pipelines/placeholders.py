"""The placeholders of a compiled spec: `{{$.inputs.parameters['x']}}` and its kin, IfPresent and Concat.

Owns: what each stands for in one task. A placeholder that is a whole string keeps its value's type; inside a longer one
it becomes text. Only what the spec itself says is resolved: a value that came from outside is never read as one.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.cloud.pipelines.values import Artifact, WrongTypeError, adapted, missing, text_of

_PLACEHOLDER = re.compile(r"\{\{\$(.*?)\}\}", re.DOTALL)
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_KEYS = r"\[(?:'([^']*)'|\"([^\"]*)\")\]"
_PARAMETER = re.compile(rf"\.inputs\.parameters{_KEYS}((?:{_KEYS})*)")
_OUTPUT_FILE = re.compile(rf"\.outputs\.parameters{_KEYS}\.output_file")
_ARTIFACT = re.compile(rf"\.(inputs|outputs)\.artifacts{_KEYS}(?:\[(\d+)\])?\.(uri|path|name)")
_ARTIFACTS = re.compile(rf"\.inputs\.artifacts{_KEYS}")
_METADATA = re.compile(rf"\.(inputs|outputs)\.artifacts{_KEYS}(?:\[(\d+)\])?\.metadata((?:{_KEYS})*)")
_JSON_ESCAPE = re.compile(r"\.json_escape\[(\d)\]$")


class PlaceholderError(ValueError):
    """A placeholder that stands for nothing in its task."""


@dataclass
class Bindings:
    """What placeholders stand for in one task.

    `pipeline` holds those of the whole run (`pipeline_job_name`, …). `templates` names the parameters whose values the
    spec wrote, which may hold placeholders themselves. `executor_input` is None where a task has no container.
    """

    pipeline: Mapping[str, Any]
    parameters: Mapping[str, Any]
    types: Mapping[str, str] = field(default_factory=dict)
    templates: frozenset[str] = frozenset()
    executor_input: Mapping[str, Any] | None = None
    path_of: Callable[[str], str] = str
    _open: list[str] = field(default_factory=list)

    def resolve(self, value: Any) -> Any:
        """`value` with every placeholder in it replaced, at any depth; IfPresent and Concat in lists are expanded.

        Strings inside of lists and objects stay strings.
        """
        return self._string(value) if isinstance(value, str) else self._nested(value)

    def _nested(self, value: Any) -> Any:
        if isinstance(value, str):
            return text_of(self._string(value))
        if isinstance(value, list):
            return [part for item in value for part in self._element(item)]
        if isinstance(value, dict):
            return {text_of(self._string(key)): self._nested(item) for key, item in value.items()}
        return value

    def argv(self, words: list[str]) -> list[str]:
        """A command line: every word as text."""
        return [text_of(part) for word in words for part in self._element(word)]

    def embedded(self, text: str) -> str:
        """JSON text with placeholders in it. Plain text goes in as it is, as the service does; where that would not be
        JSON, what stands inside a string literal is escaped.
        """
        plain = self._substituted(text)
        try:
            json.loads(plain)
        except ValueError:
            literals = _JSON_STRING.sub(lambda literal: self._substituted(literal[0], escape=True), text)
            return self._substituted(literals)
        return plain

    def _substituted(self, text: str, *, escape: bool = False) -> str:
        def text_for(match: re.Match[str]) -> str:
            value = text_of(self._value(match[1]))
            return json.dumps(value, ensure_ascii=False)[1:-1] if escape else value

        return _PLACEHOLDER.sub(text_for, text)

    def parameter(self, name: str) -> Any:
        """An input parameter's value, of its type, with the placeholders in it resolved if the spec wrote it."""
        value = self.parameters.get(name)
        if value is None:
            return missing(self.types.get(name, ""))
        if name not in self.templates:
            return value
        if name in self._open:
            raise PlaceholderError(f"parameter {name!r} refers to itself: {' -> '.join([*self._open, name])}")
        self._open.append(name)
        try:
            return adapted(self.resolve(value), self.types.get(name, ""))
        except WrongTypeError as error:
            raise PlaceholderError(f"parameter {name!r}: {error}") from None
        finally:
            self._open.pop()

    def _string(self, text: str) -> Any:
        whole = _PLACEHOLDER.fullmatch(text)
        if whole and "{{$" not in whole[1]:
            return self._value(whole[1])
        return self._substituted(text)

    def _element(self, item: Any) -> list[Any]:
        """What one element of a list becomes: IfPresent may stand for several, or none."""
        structure = _structure(item)
        if structure is None:
            return [self._nested(item)]
        return self._expanded(structure)

    def _expanded(self, structure: Any) -> list[Any]:
        if isinstance(structure, str):
            return [self._nested(structure)]
        if "Concat" in structure:
            return ["".join(text_of(part) for item in structure["Concat"] for part in self._expanded(item))]
        choice = structure["IfPresent"]
        branch = choice.get("Then") if self._present(choice["InputName"]) else choice.get("Else")
        items = branch if isinstance(branch, list) else [] if branch is None else [branch]
        return [part for item in items for part in self._expanded(item)]

    def _present(self, name: str) -> bool:
        given = (self.executor_input or {}).get("inputs", {}).get("artifacts", {})
        return self.parameters.get(name) is not None or bool(given.get(name, {}).get("artifacts"))

    def _value(self, text: str) -> Any:
        escape = _JSON_ESCAPE.search(text)
        if escape:
            value = text_of(self._value(text[: escape.start()]))
            for _ in range(max(1, int(escape[1]))):
                value = json.dumps(value)[1:-1]
            return value
        if text == "":
            return json.dumps(self._input(text), ensure_ascii=False)
        if text.startswith(".") and text[1:] in self.pipeline:
            return self.pipeline[text[1:]]
        if match := _PARAMETER.fullmatch(text):
            return _inside(self.parameter(match[1] or match[2]), match[3], text)
        return self._of_executor(text)

    def _of_executor(self, text: str) -> Any:
        if text in {".outputs.output_file", ".outputs.output_metadata_uri"}:
            return self._input(text)["outputs"]["outputFile"]
        if match := _OUTPUT_FILE.fullmatch(text):
            return self._input(text)["outputs"]["parameters"][match[1] or match[2]]["outputFile"]
        if match := _ARTIFACT.fullmatch(text):
            artifact = self._artifact(text, match[1], match[2] or match[3], match[4])
            return self.path_of(artifact["uri"]) if match[5] == "path" else artifact.get(match[5], "")
        if match := _ARTIFACTS.fullmatch(text):
            return self._input(text)["inputs"]["artifacts"].get(match[1] or match[2], {}).get("artifacts", [])
        if match := _METADATA.fullmatch(text):
            artifact = self._artifact(text, match[1], match[2] or match[3], match[4])
            return _inside(artifact.get("metadata", {}), match[5], text)
        raise PlaceholderError(f"placeholder {{{{${text}}}}} is not known")

    def _artifact(self, text: str, side: str, name: str, index: str | None) -> Artifact:
        found = self._input(text)[side]["artifacts"].get(name, {}).get("artifacts", [])
        if len(found) <= int(index or 0):
            raise PlaceholderError(f"placeholder {{{{${text}}}}}: there is no such artifact")
        return found[int(index or 0)]

    def _input(self, text: str) -> Mapping[str, Any]:
        if self.executor_input is None:
            raise PlaceholderError(f"placeholder {{{{${text}}}}} has no meaning outside a container")
        return self.executor_input


def _inside(value: Any, keys: str, text: str) -> Any:
    for single, double in re.findall(_KEYS, keys or ""):
        if not isinstance(value, dict) or (single or double) not in value:
            raise PlaceholderError(f"placeholder {{{{${text}}}}}: {value!r} has no {single or double!r}")
        value = value[single or double]
    return value


def _structure(item: Any) -> dict[str, Any] | None:
    """The IfPresent or Concat that an element of a command line is, if it is one."""
    if isinstance(item, dict) and item.keys() & {"IfPresent", "Concat"}:
        return item
    if not isinstance(item, str) or not item.startswith(('{"IfPresent"', '{"Concat"')):
        return None
    try:
        return json.loads(item)
    except ValueError:
        return None
