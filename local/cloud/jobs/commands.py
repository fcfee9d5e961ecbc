"""What a container's command means on this host.

Owns: the argv that is really executed, and which commands are "run this Python module or file", so that a warm
process can do it without a new interpreter. Anything that is not plainly that is left to an ordinary process.
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

_PYTHON = re.compile(r"python(3(\.\d+)?)?")
_SHELLS = frozenset({"bash", "sh", "dash"})
_SHELL_FLAGS = re.compile(r"-[cleux]+")
_NAME = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")
_SPECIAL = frozenset("|&;<>()`*?[]~#!=%{}\n\\$")  # as words of an unquoted command: left to a real shell


@dataclass(frozen=True)
class PythonCommand:
    """`python -m target args` or `python target args`."""

    kind: Literal["module", "file"]
    target: str
    args: list[str] = field(default_factory=list)
    unbuffered: bool = False


def host_argv(argv: Sequence[str], interpreter: str, path: str) -> list[str]:
    """`argv` as this host can execute it: the image's Python is `interpreter`, a shell is found on `path`.

    A login shell (`bash -lc`) becomes a plain one: the profile that it would read is the host's, not the image's.
    """
    if not argv:
        raise ValueError("the container has no command and its image no entry point. Set containerSpec.command")
    program = Path(argv[0]).name
    if _PYTHON.fullmatch(program):
        return [interpreter, *argv[1:]]
    if program in _SHELLS:
        found = argv[0] if Path(argv[0]).is_absolute() and Path(argv[0]).exists() else shutil.which(program, path=path)
        rest = list(argv[1:])
        if rest and _SHELL_FLAGS.fullmatch(rest[0]) and "l" in rest[0]:
            rest[0] = rest[0].replace("l", "")
        return [found or argv[0], *rest]
    return list(argv)


def python_command(argv: Sequence[str], env: Mapping[str, str]) -> PythonCommand | None:
    """The Python module or file that `argv` runs, or None where only a real process will do."""
    if not argv:
        return None
    program = Path(argv[0]).name
    if _PYTHON.fullmatch(program):
        return _of_python(argv[1:])
    if program in _SHELLS and len(argv) == 3 and _SHELL_FLAGS.fullmatch(argv[1]) and "c" in argv[1]:
        words = simple_command(argv[2], env)
        if words and words[0] == "exec":
            words = words[1:]
        if words and _PYTHON.fullmatch(Path(words[0]).name):
            return _of_python(words[1:])
    return None


def _of_python(args: Sequence[str]) -> PythonCommand | None:
    unbuffered = False
    rest = list(args)
    while rest and rest[0] == "-u":
        unbuffered = True
        rest.pop(0)
    if len(rest) >= 2 and rest[0] == "-m":
        return PythonCommand("module", rest[1], rest[2:], unbuffered)
    if rest and rest[0].endswith(".py"):
        return PythonCommand("file", rest[0], rest[1:], unbuffered)
    return None


def simple_command(script: str, env: Mapping[str, str]) -> list[str] | None:
    """The words of `script` as a POSIX shell would expand them, if it is one simple command of words, quotes and $NAME.

    None for anything more (pipes, assignments, globs, substitutions, escapes): then a shell must read it. An unquoted
    $NAME is split at blanks, as the shell does; a quoted one is not.
    """
    words: list[str] = []
    word: str | None = None
    position = 0
    while position < len(script):
        char = script[position]
        if char in " \t":
            words += [word] if word is not None else []
            word = None
            position += 1
        elif char == "'":
            end = script.find("'", position + 1)
            if end < 0:
                return None
            word = (word or "") + script[position + 1 : end]
            position = end + 1
        elif char == '"':
            text, position = _double_quoted(script, position + 1, env)
            if text is None:
                return None
            word = (word or "") + text
        elif char == "$":
            match = _NAME.match(script, position)
            if not match:
                return None
            value = env.get(match[1] or match[2], "")
            if set(value) & frozenset("*?[\\"):
                return None
            word = _append_fields(words, word, value)
            position = match.end()
        elif char in _SPECIAL and not (char == "=" and words):
            return None
        else:
            word = (word or "") + char
            position += 1
    return [*words, word] if word is not None else words


def _double_quoted(script: str, start: int, env: Mapping[str, str]) -> tuple[str | None, int]:
    """The text of a double-quoted part that begins at `start`, and the position after its closing quote."""
    text = ""
    position = start
    while position < len(script):
        char = script[position]
        if char == '"':
            return text, position + 1
        if char in "`\\":
            break
        if char == "$":
            match = _NAME.match(script, position)
            if not match:
                break
            text += env.get(match[1] or match[2], "")
            position = match.end()
        else:
            text += char
            position += 1
    return None, position


def _append_fields(words: list[str], word: str | None, value: str) -> str | None:
    """Field splitting of an unquoted variable's `value`, joined to the `word` that it stands in; returns the word
    still open.
    """
    fields = [part for part in re.split(r"[ \t\n]+", value) if part]
    if value[:1] in {" ", "\t", "\n"}:
        word = _close(words, word)
    for position, part in enumerate(fields):
        if position:
            word = _close(words, word)
        word = (word or "") + part
    if fields and value[-1] in " \t\n":
        word = _close(words, word)
    return word


def _close(words: list[str], word: str | None) -> None:
    if word is not None:
        words.append(word)
