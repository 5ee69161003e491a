"""Chat templates are programs of strangers: they render what they should and can do nothing else."""

from __future__ import annotations

import contextlib
import threading
import time
from functools import partial

import pytest

from jupyter_uml.engine import chat
from jupyter_uml.engine.chat import MARK, ChatTemplate, guard, within
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
        "{{ 9 ** (9 ** 9) }}",
        "{{ 'x' * 99999999999 }}",
        "{{ 3 * [messages * 9999999] }}",
        "{% set n = namespace(x=9) %}{% for i in range(60) %}{% set n.x = n.x * n.x %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% set n = namespace(x='abc') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
        "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}",
        "{{ 'x'.center(99999999999) }}",
        "{{ ((((1))))" + "(" * 5000,
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


def test_operators_still_compute() -> None:
    assert ChatTemplate("{{ 2 * 3 }} {{ 2 ** 3 }} {{ 0.5 * 4 }} {{ '=' * 5 }} {{ 1 ~ 'a' + 'b' }}").render(HELLO) == (
        "6 8 2.0 ===== 1ab"
    )


ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.mark.parametrize("source", [ENDLESS, "{% macro m() %}" + ENDLESS + "{% endmacro %}{{ m() | length }}"])
def test_a_template_that_does_not_end_is_stopped(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.setattr(chat, "DEADLINE", 0.2)
    template = ChatTemplate(source)
    started = time.monotonic()
    with pytest.raises(InvalidRequest, match="stopped") as caught:
        template.render(HELLO)
    assert time.monotonic() - started < 2
    assert caught.value.param == "messages"


def test_a_template_is_stopped_on_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "DEADLINE", 0.2)
    caught: list[Exception] = []

    def render() -> None:
        try:
            ChatTemplate(ENDLESS).render(HELLO)
        except InvalidRequest as error:
            caught.append(error)

    thread = threading.Thread(target=render)
    thread.start()
    thread.join(10)
    assert len(caught) == 1


def test_a_template_writes_no_more_than_the_messages_are_worth() -> None:
    with pytest.raises(InvalidRequest):
        ChatTemplate("{% for a in range(99999) %}{{ 'x' * 99999 }}{% endfor %}").render(HELLO)
    long = Message("user", "x" * 5_000_000)
    assert len(ChatTemplate("{{ messages[0].content }}").render((long,))) == 5_000_000


def test_a_deadline_that_passes_at_the_last_moment_strikes_nobody_later() -> None:
    for late in range(100):
        end = time.monotonic() + 0.0015 + late * 1e-5
        with contextlib.suppress(TimeoutError):
            within(0.002, partial(_spin, end))
        sum(range(1000))


def _spin(end: float) -> None:
    while time.monotonic() < end:
        pass
