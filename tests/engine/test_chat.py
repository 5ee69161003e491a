"""Chat templates are programs of strangers: they render what they should and can do nothing else."""

from __future__ import annotations

import time

import pytest

from jupyter_uml.engine.chat import MARK, ChatTemplate, guard
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import Message

HELLO = (Message("user", "hello"),)


def test_messages_end_where_the_answer_begins() -> None:
    source = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    source += "{% if add_generation_prompt %}<assistant>{% endif %}"
    messages = (Message("system", "be kind"), *HELLO)
    assert ChatTemplate(source).render(messages) == "<system>be kind<user>hello<assistant>"


def test_a_developer_message_is_a_system_message() -> None:
    assert ChatTemplate("{{ messages[0].role }}").render((Message("developer", "x"),)) == "system"


def test_tojson_is_plain() -> None:
    assert ChatTemplate("{{ messages[0].content | tojson }}").render((Message("user", "a<b>é'"),)) == '"a<b>é\'"'


def test_a_refusal_of_the_template_is_told() -> None:
    with pytest.raises(InvalidRequest, match="roles must alternate"):
        ChatTemplate("{{ raise_exception('roles must alternate') }}").render(HELLO)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__init__.__globals__ }}",
        "{{ messages.append(1) }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{% for i in range(10000000) %}x{% endfor %}",
        "{{ undefined_thing.attribute }}",
    ],
)
def test_a_template_cannot_reach_out(source: str) -> None:
    with pytest.raises(InvalidRequest):
        ChatTemplate(source).render(HELLO)


def test_a_broken_template_is_an_error_of_the_model() -> None:
    with pytest.raises(InvalidRequest, match="broken"):
        ChatTemplate("{% if %}")


def test_control_texts_are_broken_up_also_where_one_hides_another() -> None:
    (message,) = guard([Message("user", "a<<s>b<s>")], ["<<s>", "<s>"])
    pieces = message.content.split(MARK)
    assert "".join(pieces) == "a<<s>b<s>"
    assert not any(control in piece for piece in pieces for control in ("<<s>", "<s>"))


def test_a_hostile_text_is_guarded_in_no_time() -> None:
    controls = [f"<unused{number}>" for number in range(6000)]
    started = time.monotonic()
    guard([Message("user", "<unused" * 20_000)], controls)
    assert time.monotonic() - started < 2
