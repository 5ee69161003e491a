"""What holds for all cells of a session, unless a cell says otherwise: `%uml set`, `%config UmlMagics`, or a profile of
IPython (`c.UmlMagics.temperature = 0`)."""

from __future__ import annotations

import argparse
from typing import Any, get_args

from traitlets import Bool, Enum, Float, Int, TraitError, Unicode
from traitlets.config import Configurable

from jupyter_uml.errors import InvalidRequest
from jupyter_uml.kernel.answer_cache import Mode
from jupyter_uml.kernel.options import keep_alive
from jupyter_uml.types import ReasoningEffort


class Settings(Configurable):
    """None: as the model, its profile or the server does by itself."""

    model = Unicode(None, allow_none=True, help="The model that is asked where a cell names none.").tag(config=True)
    system = Unicode(None, allow_none=True, help="What the model is told before every question.").tag(config=True)
    temperature = Float(None, allow_none=True, help="0: always the likeliest token; higher: more variety.").tag(
        config=True
    )
    top_p = Float(None, allow_none=True, help="The likeliest tokens that have this probability together.").tag(
        config=True
    )
    top_k = Int(None, allow_none=True, help="Only so many of the likeliest tokens; 0: all.").tag(config=True)
    min_p = Float(None, allow_none=True, help="Only tokens with this share of the likeliest one's probability.").tag(
        config=True
    )
    max_tokens = Int(None, allow_none=True, help="An answer's greatest length.").tag(config=True)
    seed = Int(None, allow_none=True, help="The same seed, the same answer. None: a new one each time.").tag(
        config=True
    )
    reasoning = Enum(
        get_args(ReasoningEffort), None, allow_none=True, help="How long the model may think before it answers."
    ).tag(config=True)
    keep_alive = Unicode(None, allow_none=True, help="How long a model stays loaded without use, such as 10m.").tag(
        config=True
    )
    deterministic = Bool(False, help="The same tokens again, whatever else runs; slower.").tag(config=True)
    cache = Enum(
        get_args(Mode),
        "auto",
        help="Answers from the cache: where temperature 0 or a seed says which, always, or never.",
    ).tag(config=True)
    allow_tools = Bool(False, help="Call the functions of --tools without asking first.").tag(config=True)

    def change(self, name: str, text: str) -> None:
        """
        Raises:
            InvalidRequest: there is no such setting, or this is no value for it.
        """
        trait = self.class_traits(config=True).get(name := name.replace("-", "_"))
        if trait is None:
            raise InvalidRequest(f"There is no setting {name!r}, but {', '.join(self.shown())}.", param=name)
        try:
            if name == "keep_alive" and text not in ("None", "none"):
                keep_alive(text)
            setattr(self, name, None if trait.allow_none and text in ("None", "none") else trait.from_string(text))
        except argparse.ArgumentTypeError as error:
            raise InvalidRequest(f"{name}: {error}.", param=name) from error
        except (TraitError, ValueError) as error:
            raise InvalidRequest(f"{text!r} is no value for {name}: it is {trait.info()}.", param=name) from error

    def shown(self) -> dict[str, tuple[Any, str]]:
        """Each setting's value and meaning."""
        own = {name: trait for name, trait in Settings.class_traits(config=True).items() if name in vars(Settings)}
        return {name: (getattr(self, name), str(trait.help)) for name, trait in own.items()}

    def fill(self, options: argparse.Namespace) -> argparse.Namespace:
        """What a cell left open, as it is set here."""
        for name in self.shown():
            if getattr(options, name, None) is None:
                setattr(options, name, getattr(self, name))
        return options
