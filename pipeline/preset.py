"""Writes the settings for a task into params.yaml: `python -m pipeline.preset [NAME]`."""

import argparse
import copy
import difflib
import io
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.representer import RoundTripRepresenter

from ddpg.files import DamagedFileError, replacing
from pipeline.errors import USER_ERRORS, PresetError, report
from pipeline.params import validate
from pipeline.provenance.documents import yaml_in
from pipeline.provenance.git import project_root, run_git
from pipeline.reports.changes import changed_values
from pipeline.reports.formats import align, show_change, show_value
from pipeline.stages import PARAMS, TRAIN, flatten, is_in

DEFAULT = "MountainCarContinuous"
"""The preset that states every value; all others state what differs from their base, by default this one."""

KEPT = ("seeds", "tracking", *TRAIN.without_effect)
"""Parameters that no preset states, because they say nothing about the task: those of params.yaml stay."""

_RULES = f"""\
A preset is a file in presets/. It sets every value of params.yaml, so that no two of them mix, but for
{", ".join(KEPT[:-1])} and {KEPT[-1]}. Comments stay.

Edits that neither the last commit nor a preset holds are overwritten only with --force.
The exit status is 0; 2 for an unknown preset, invalid values, or edits that would be lost."""

_Values = dict[str, Any]


class _Representer(RoundTripRepresenter):
    """Writes None as `null`, not as nothing."""


_Representer.add_representer(
    type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Lists the presets, shows one, or writes it into params.yaml.

    Returns:
        0; 2 for an unknown preset, invalid values, or edits that would be lost.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.preset",
        description="Write the settings for a task into params.yaml; without a name, list the presets.",
        epilog=_RULES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a preset")
    parser.add_argument("--show", action="store_true", help="print the preset and write nothing")
    parser.add_argument("--force", action="store_true", help="overwrite edits that are saved nowhere else")
    options = parser.parse_args(arguments)
    if options.name is None and (options.show or options.force):
        parser.error("expected the name of a preset")
    try:
        if options.name is None:
            print(*_table(), sep="\n")
        elif options.show:
            print(_text_of(options.name), end="")
        else:
            print(*_apply(options.name, force=options.force), sep="\n")
    except USER_ERRORS as error:
        return report("preset", error, 2)
    return 0


def presets() -> dict[str, Path]:
    """The presets' files by name, the default first."""
    return {path.stem: path for path in sorted((project_root() / "presets").rglob("*.yaml"), key=_order)}


def values_of(name: str, *, derived: tuple[str, ...] = ()) -> _Values:
    """All values of a preset: its own, and those of its base for what it does not state.

    Args:
        name: The preset.
        derived: The presets that it is the base of.

    Raises:
        PresetError: There is no such preset.
        DamagedFileError: Its file, or that of a base, is no preset.
    """
    file = presets()[_known(name)].relative_to(project_root()).as_posix()
    own = copy.deepcopy(yaml_in(_text_of(name), file))
    for path, _ in flatten(own, "."):
        if is_in(path, KEPT):
            raise DamagedFileError(f"{file}: {path}: expected no value, as no preset sets it, received one")
    base = own.pop("base", None if name == DEFAULT else DEFAULT)
    if base is None:
        return own
    if not isinstance(base, str):
        raise DamagedFileError(f"{file}: base: expected the name of a preset, received {base!r}")
    if base in (*derived, name):
        raise DamagedFileError(f"{file}: base: expected a preset that is not based on this one, received {base!r}")
    return _merged(values_of(base, derived=(*derived, name)), own)


def _order(path: Path) -> tuple[bool, str, str]:
    return path.stem != DEFAULT, path.parent.as_posix(), path.stem.lower()


def _table() -> list[str]:
    """A line for each preset: its name, its environment and its origin."""
    rows = [("preset", "environment", "origin")]
    for name in presets():
        origin = _text_of(name).partition("\n")[0].removeprefix("#").strip()
        rows.append((name, values_of(name)["environment"]["id"], origin))
    return align(rows)


def _text_of(name: str) -> str:
    return presets()[_known(name)].read_text(encoding="utf-8")


def _known(name: str) -> str:
    """The name, if there is a preset of this name."""
    names = list(presets())
    if name in names:
        return name
    lowered = {each.lower(): each for each in names}
    close = difflib.get_close_matches(name.lower(), lowered, n=1)
    expected = f"{lowered[close[0]]!r}?" if close else "one of " + ", ".join(names)
    raise PresetError(f"{name}: unknown; expected {expected}")


def _apply(name: str, *, force: bool) -> list[str]:
    """Writes a preset into params.yaml; returns what changed, as lines."""
    path = project_root() / PARAMS
    text = path.read_text(encoding="utf-8")
    present, preset = _texts(yaml_in(text, PARAMS)), values_of(name)
    changes = changed_values(present, _texts(preset))
    if not force:
        _require_saved(present, changes.keys(), name)
    written = _with_values(text, preset)
    validate(yaml_in(written, PARAMS), f"{PARAMS} with the preset {name}")
    with replacing(path) as temporary:
        temporary.write_text(written, encoding="utf-8")
    return [f"{PARAMS} holds the preset {name}{':' if changes else ' already'}", *_lines(changes)]


def _require_saved(present: Mapping[str, str], overwritten: Collection[str], name: str) -> None:
    """Checks that what will be overwritten is in the last commit or in a preset: the one that comes closest.

    Raises:
        PresetError: Edits would be lost.
    """
    committed = run_git(project_root(), "cat-file", "blob", f"HEAD:./{PARAMS}")
    saved = [values_of(each) for each in presets()] + ([] if committed is None else [yaml_in(committed, PARAMS)])
    edits = min((changed_values(_texts(each), present) for each in saved), key=len)
    lost = {path: edit for path, edit in edits.items() if path in overwritten}
    if lost:
        found = f"{PARAMS} has edits that {name} would overwrite, and that no commit and no preset holds:"
        raise PresetError("\n".join([found, *_lines(lost), "Commit them, or overwrite them with --force."]))


def _lines(changes: Mapping[str, tuple[str | None, str | None]]) -> list[str]:
    return [f"  {path}: {show_change(old or 'none', new or 'none')}" for path, (old, new) in changes.items()]


def _with_values(text: str, values: Mapping[str, Any]) -> str:
    """A YAML text with these values in place of its own, but its comments and its layout."""
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.preserve_quotes = True
    yaml.width = sys.maxsize
    document = yaml.load(text)
    _set(document, values, text.splitlines())
    written = io.StringIO()
    yaml.dump(document, written)
    return written.getvalue()


def _set(document: CommentedMap, values: Mapping[str, Any], lines: Sequence[str], section: str = "") -> None:
    """Sets, adds and removes values until a section has these, but for those that are kept."""
    for name in [name for name in document if name not in values and not is_in(f"{section}{name}", KEPT)]:
        missing = [each for each in values if each not in document]
        for meant in difflib.get_close_matches(name, missing, n=1):
            _rename(document, name, meant)
        document.pop(name, None)
    for name, value in values.items():
        old = document.get(name)
        if isinstance(value, Mapping) and isinstance(old, CommentedMap) and value and old:
            _set(old, value, lines, f"{section}{name}.")
        elif name not in document or show_value(old) != show_value(value):
            document[name] = _inline(value)
            _release_comment(document.ca.items.get(name), lines)


def _rename(document: CommentedMap, old: str, new: str) -> None:
    """Gives a key another name in the same place, with its comment."""
    place, comment = list(document).index(old), document.ca.items.pop(old, None)
    document.insert(place, new, document.pop(old))
    if comment is not None:
        document.ca.items[new] = comment


def _release_comment(tokens: Sequence[Any] | None, lines: Sequence[str]) -> None:
    """Lets a comment one space after a value move with it; others stay in their column."""
    comment = tokens[2] if tokens else None
    if comment is not None and not lines[comment.start_mark.line][: comment.start_mark.column].endswith("  "):
        comment.column = 0


def _inline(value: Any) -> Any:
    """A value that is written on one line."""
    if not isinstance(value, list | dict):
        return value
    made = CommentedSeq(map(_inline, value)) if isinstance(value, list) else CommentedMap(value)
    made.fa.set_flow_style()
    return made


def _merged(base: Mapping[str, Any], values: Mapping[str, Any]) -> _Values:
    """The base with these values in place of its own."""
    merged = dict(base)
    for name, value in values.items():
        inner = merged.get(name)
        merged[name] = _merged(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return merged


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """The values that a preset states, as text by dotted path."""
    return {path: show_value(value) for path, value in flatten(values, ".") if not is_in(path, KEPT)}


if __name__ == "__main__":
    sys.exit(main())
