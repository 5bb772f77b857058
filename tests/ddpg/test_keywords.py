import inspect
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from ddpg.agent import DDPG
from ddpg.config import AgentConfig, TrainingConfig
from ddpg.keywords import AgentKeywords, TrainingKeywords

NAMED = DDPG.train_n_episodes.__annotations__.keys() & TrainingConfig.model_fields.keys()
SIMPLE = (int, float, bool, type(None))


def alternatives(annotation: Any) -> set[Any]:
    """What a value may be: simple types and literals; `...` stands for anything else, such as a sequence."""
    if annotation in SIMPLE:
        return {annotation}
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    arguments = get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return alternatives(arguments[0])
    if arguments and type(annotation).__name__ in ("Union", "UnionType", "_UnionGenericAlias"):
        return set().union(*map(alternatives, arguments))
    return {...}


@pytest.mark.parametrize(
    ("config", "keywords", "named"), [(AgentConfig, AgentKeywords, set()), (TrainingConfig, TrainingKeywords, NAMED)]
)
def test_keyword_arguments_are_the_fields_with_their_types(config, keywords, named):
    hints = get_type_hints(keywords)
    fields = {name: field for name, field in config.model_fields.items() if name not in named}
    assert list(hints) == list(fields)
    annotations = get_type_hints(config, include_extras=True)
    for name in fields:
        assert alternatives(hints[name]) == alternatives(annotations[name]), name


@pytest.mark.parametrize(("function", "config"), [(DDPG, AgentConfig), (DDPG.train_n_episodes, TrainingConfig)])
def test_signatures_spell_out_the_fields_with_their_defaults(function, config):
    parameters = inspect.signature(function).parameters
    defaults = {name: field.default for name, field in config.model_fields.items()}
    assert {name: parameters[name].default for name in defaults} == defaults
    assert not any(each.kind is each.VAR_KEYWORD for each in parameters.values())
