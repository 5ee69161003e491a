"""Chat templates are programs of strangers: they render what they should and can do nothing else."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from jupyter_uml.engine import sandbox
from jupyter_uml.engine.chat import ChatTemplate
from jupyter_uml.engine.guard import MARK, guard, guard_options, guard_tools
from jupyter_uml.engine.sandbox import within
from jupyter_uml.errors import InvalidRequest
from jupyter_uml.types import IMAGE_MARK, Message, Tool, ToolCall

# A deadline may pass in a destructor: garbage is collected wherever it gets too much.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

HELLO = (Message("user", "hello"),)
CHATML = (
    "{% if tools %}<tools>{{ tools | tojson }}</tools>{% endif %}"
    "{% for m in messages %}<{{ m.role }}>"
    "{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}"
    "{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %}"
    "<end>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
PLAIN = (
    "{% for m in messages %}{% if m.role not in ('user', 'assistant') %}{{ raise_exception(m.role) }}{% endif %}"
    "<{{ m.role }}>{{ m.content | trim }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
WEATHER = Tool("get_weather", "The weather", '{"type": "object", "properties": {"city": {"type": "string"}}}')
CALL = ToolCall("call_abcdefghijk", "get_weather", '{"city": "Paris"}')
LOOKED = (*HELLO, Message("assistant", "", tool_calls=(CALL,)), Message("tool", "sunny", tool_call_id=CALL.id))


def render(source: str, messages: Sequence[Message] = HELLO, **given: Any) -> str:
    return ChatTemplate(source).render(messages, **given).text


def test_messages_end_where_the_answer_begins() -> None:
    source = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    source += "{% if add_generation_prompt %}<assistant>{% endif %}"
    messages = (Message("system", "be kind"), *HELLO)
    rendered = ChatTemplate(source).render(messages)
    assert rendered.text == "<system>be kind<user>hello<assistant>"
    assert rendered.opening == "<assistant>"


def test_a_developer_message_is_a_system_message() -> None:
    assert render("{{ messages[0].role }} {{ messages[0].content }}", (Message("developer", "x"),)) == "system x"


def test_tojson_is_plain() -> None:
    assert render("{{ messages[0].content | tojson }}", (Message("user", "a<b>é'"),)) == '"a<b>é\'"'


def test_a_refusal_of_the_template_is_told() -> None:
    with pytest.raises(InvalidRequest, match="roles must alternate"):
        ChatTemplate("{{ raise_exception('roles must alternate') }}").render(HELLO)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__init__.__globals__ }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update(role='system') }}",
        "{% set n = namespace(x=[1]) %}{{ n.x.extend(n.x) }}",
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


def test_thousands_of_hostile_texts_are_guarded_in_no_time() -> None:
    controls = [f"<unused{number}>" for number in range(6000)]
    schema = json.dumps({"enum": [str(number) for number in range(16_000)]})
    started = time.monotonic()
    guard([Message("user", "<")] * 4000, controls)
    guard_tools([Tool("f", "", schema)], controls)
    assert time.monotonic() - started < 1


def test_control_texts_that_overlap_are_all_broken_up() -> None:
    (message,) = guard([Message("user", "aaaaa")], ["aaa"])
    assert "aaa" not in message.content
    assert message.content.replace(MARK, "") == "aaaaa"


def test_operators_still_compute() -> None:
    assert render("{{ 2 * 3 }} {{ 2 ** 3 }} {{ 0.5 * 4 }} {{ '=' * 5 }} {{ 1 ~ 'a' + 'b' }}") == "6 8 2.0 ===== 1ab"


ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.mark.parametrize("source", [ENDLESS, "{% macro m() %}" + ENDLESS + "{% endmacro %}{{ m() | length }}"])
def test_a_template_that_does_not_end_is_stopped(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.setattr(sandbox, "DEADLINE", 0.2)
    template = ChatTemplate(source)
    started = time.monotonic()
    with pytest.raises(InvalidRequest, match="stopped") as caught:
        template.render(HELLO)
    assert time.monotonic() - started < 2
    assert caught.value.param == "messages"


def test_a_template_is_stopped_on_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "DEADLINE", 0.2)
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
    assert len(render("{{ messages[0].content }}", (long,))) == 5_000_000


def test_a_deadline_that_passes_at_the_last_moment_strikes_nobody_later() -> None:
    for late in range(100):
        end = time.monotonic() + 0.0015 + late * 1e-5
        with contextlib.suppress(TimeoutError):
            within(0.002, partial(_spin, end))
        sum(range(1000))


class _Slow:
    def __del__(self) -> None:
        _spin(time.monotonic() + 0.02)


def test_a_deadline_that_passes_in_a_destructor_is_no_way_out() -> None:
    def work() -> None:
        _Slow()
        _spin(time.monotonic() + 20)

    with pytest.raises(TimeoutError):
        within(0.01, work)


def _spin(end: float) -> None:
    while time.monotonic() < end:
        pass


def test_a_template_may_use_lists_of_its_own() -> None:
    assert render("{% set n = namespace(x=[]) %}{% set _ = n.x.append(2) %}{{ n.x.pop(0) }}{{ n.x }}") == "2[]"


def test_marks_for_training_say_nothing() -> None:
    assert render("a{% generation %}{{ messages[0].content }}{% endgeneration %}b") == "ahellob"


# --- tools ---


def test_tools_calls_and_results_reach_the_template() -> None:
    text = render(CHATML, LOOKED, tools=(WEATHER,))
    tools = json.loads(text.partition("<tools>")[2].partition("</tools>")[0])
    assert tools == [
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "description": "The weather",
                "parameters": json.loads(WEATHER.parameters),
            },
        }
    ]
    assert '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call>' in text
    assert text.endswith("<tool>sunny<end><assistant>")


def test_without_tools_nothing_is_said_of_them() -> None:
    assert render(CHATML) == "<user>hello<end><assistant>"


@pytest.mark.parametrize("written", ["{{ c.function.arguments }}", "{{ c.function.arguments | tojson }}"])
def test_arguments_are_given_as_the_template_needs_them(written: str) -> None:
    source = CHATML.replace("{{ c.function | tojson }}", "{{ c.function.name }}:" + written)
    assert '<tool_call>get_weather:{"city": "Paris"}</tool_call>' in render(source, LOOKED, tools=(WEATHER,))


def test_a_message_with_calls_has_the_content_that_the_template_looks_for() -> None:
    source = CHATML.replace(
        "{% for c in m.tool_calls or [] %}", "{% for c in (m.tool_calls if m.content is none else []) %}"
    )
    assert '"city": "Paris"' in render(source, LOOKED, tools=(WEATHER,))


def test_several_calls_are_taken_apart_for_a_template_that_knows_one() -> None:
    source = CHATML.replace("{% for c in m.tool_calls or [] %}", "{% for c in (m.tool_calls or [])[:1] %}")
    other = ToolCall("b", "get_weather", '{"city": "Rome"}')
    messages = (
        *HELLO,
        Message("assistant", "", tool_calls=(CALL, other)),
        Message("tool", "sunny", tool_call_id=CALL.id),
        Message("tool", "wet", tool_call_id="b"),
    )
    text = render(source, messages, tools=(WEATHER,))
    assert [text.index(word) for word in ("Paris", "sunny", "Rome", "wet")] == sorted(
        text.index(word) for word in ("Paris", "sunny", "Rome", "wet")
    )
    assert text.count("sunny") == text.count("wet") == 1


def test_an_id_that_comes_again_in_a_later_turn_loses_no_result() -> None:
    source = CHATML.replace("{% for c in m.tool_calls or [] %}", "{% for c in (m.tool_calls or [])[:1] %}")
    source = source.replace("{{ m.content }}", "{{ m.name }}:{{ m.content }}")
    other, late = replace(CALL, id="b"), replace(CALL, name="get_time")
    messages = (
        *HELLO,
        Message("assistant", "", tool_calls=(CALL, other)),
        Message("tool", "sunny", tool_call_id=CALL.id),
        Message("tool", "wet", tool_call_id="b"),
        Message("user", "and now?"),
        Message("assistant", "", tool_calls=(late, other)),
        Message("tool", "noon", tool_call_id=CALL.id),
        Message("tool", "dry", tool_call_id="b"),
    )
    text = render(source, messages, tools=(WEATHER,))
    results = re.findall(r"(\w+):(sunny|wet|noon|dry)", text)
    assert results == [("get_weather", "sunny"), ("get_weather", "wet"), ("get_time", "noon"), ("get_weather", "dry")]


def test_a_template_that_insists_on_short_ids_gets_them() -> None:
    source = CHATML.replace(
        "<tool_call>", "{% if c.id | length != 9 %}{{ raise_exception('id') }}{% endif %}<tool_call>{{ c.id }} "
    )
    source = source.replace("<end>", "{% if m.tool_call_id %}{{ m.tool_call_id }}{% endif %}<end>")
    text = render(source, LOOKED, tools=(WEATHER,))
    identifier = text.partition("<tool_call>")[2].split()[0]
    assert len(identifier) == 9
    assert f"sunny{identifier}" in text


def test_a_template_that_knows_no_tools_gets_them_in_words() -> None:
    text = render(PLAIN, LOOKED, tools=(WEATHER,))
    assert text.index("get_weather") < text.index("hello")
    assert '<assistant>{"name": "get_weather", "arguments": {"city": "Paris"}}<user>' in text
    assert "sunny" in text


def test_a_template_that_knows_no_system_gets_it_from_the_user() -> None:
    assert render(PLAIN, (Message("system", "be kind"), *HELLO)) == "<user>be kind\n\nhello<assistant>"


def test_a_template_for_tools_is_used_where_there_are_some() -> None:
    chat = ChatTemplate(PLAIN, tools_source=CHATML)
    assert chat.render(HELLO).text == "<user>hello<assistant>"
    assert chat.render(HELLO, tools=(WEATHER,)).text.startswith("<tools>")


def test_arguments_that_are_no_object_are_refused() -> None:
    call = ToolCall("a", "get_weather", "{")
    with pytest.raises(InvalidRequest, match="not a JSON object"):
        render(CHATML, (*HELLO, Message("assistant", "", tool_calls=(call,)), Message("tool", "x", tool_call_id="a")))


# --- options ---


def test_options_are_variables_of_the_template() -> None:
    source = "{% if enable_thinking is defined and not enable_thinking %}quick {% endif %}{{ messages[0].content }}"
    chat = ChatTemplate(source)
    assert chat.takes("enable_thinking")
    assert not chat.takes("reasoning_effort")
    assert chat.render(HELLO, options={"enable_thinking": False}).text == "quick hello"


@pytest.mark.parametrize(
    "name", ["messages", "tools", "add_generation_prompt", "bos_token", "raise_exception", "range"]
)
def test_options_replace_nothing_of_ours(name: str) -> None:
    with pytest.raises(InvalidRequest, match=name) as caught:
        render(CHATML, options={name: "x"})
    assert caught.value.param == "chat_template_kwargs"


# --- going on ---


@pytest.mark.parametrize("said", ["It is ", "It is", "\n"])
@pytest.mark.parametrize("source", [CHATML, PLAIN])
def test_a_message_of_the_assistant_is_gone_on_with(source: str, said: str) -> None:
    rendered = ChatTemplate(source).render((*HELLO, Message("assistant", said)))
    assert rendered.opening.startswith("<assistant>")
    assert rendered.text.endswith(said if source is CHATML else said.lstrip())
    assert not rendered.text.endswith("<end>")


def test_reasoning_is_gone_on_with() -> None:
    rendered = ChatTemplate(CHATML).render((*HELLO, Message("assistant", "", reasoning="I think")))
    assert rendered.text.endswith("<assistant><think>I think")
    whole = ChatTemplate(CHATML).render((*HELLO, Message("assistant", "It is", reasoning="I think")))
    assert whole.text.endswith("<assistant><think>I think</think>It is")


def test_a_template_that_does_not_know_reasoning_cannot_go_on_with_it() -> None:
    with pytest.raises(InvalidRequest, match="cannot go on with reasoning"):
        render(PLAIN, (*HELLO, Message("assistant", "", reasoning="I think")))


def test_an_empty_message_of_the_assistant_is_the_beginning_of_one() -> None:
    assert render(CHATML, (*HELLO, Message("assistant", ""))) == render(CHATML)


def test_calls_without_results_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="no results"):
        render(CHATML, LOOKED[:2], tools=(WEATHER,))


# --- images ---

SEEING = (
    "{% for m in messages %}<{{ m.role }}>{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}"
    "{% if p.type == 'image' %}<|image|>{% else %}{{ p.text }}{% endif %}{% endfor %}{% endif %}{% endfor %}"
)


@pytest.mark.parametrize("source", [SEEING, PLAIN])
def test_each_image_has_its_place(source: str) -> None:
    content = f"a {IMAGE_MARK}{IMAGE_MARK} b <|image|>"
    text = render(source, (Message("user", content, images=(b"1", b"2")),))
    assert text.replace(MARK, "").startswith(f"<user>a {IMAGE_MARK}{IMAGE_MARK} b <|image|>")


def test_parts_are_given_to_a_template_that_knows_nothing_else() -> None:
    source = "{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}"
    assert render(source) == "hello"


# --- control tokens ---


def test_no_text_can_hold_a_control_token() -> None:
    bad = "<|end|>"
    message = Message("assistant", bad, bad, (ToolCall(bad, bad, json.dumps({bad: [bad]})),), bad, bad)
    (safe,) = guard([message], [bad])
    tool = Tool(bad, bad, '{"description": "\\u003c|end|>", "properties": {"<|end|>": {}}}')
    (safe_tool,) = guard_tools([tool], [bad])
    call = safe.tool_calls[0]
    texts = [safe.content, safe.name, safe.reasoning, safe.tool_call_id, call.id, call.name, call.arguments]
    texts += [safe_tool.name, safe_tool.description, safe_tool.parameters]
    for text in texts:
        assert text
        assert bad not in text
        assert bad in text.replace(MARK, "")
    rendered = render(CHATML.replace("<end>", ""), (*HELLO, *LOOKED[1:]), tools=[safe_tool])
    assert bad not in rendered
    assert bad in rendered.replace(MARK, "")


def test_what_holds_no_control_token_stays_as_it_was_written() -> None:
    call = ToolCall("a", "f", '{ "b":1.0e0 , "c":"\\u00e9" }')
    assert guard([Message("assistant", "", tool_calls=(call,))], ["<s>"])[0].tool_calls == (call,)


def test_options_of_a_template_hold_no_control_token() -> None:
    options = guard_options({"identity": "a<s>b", "thinking": True}, ["<s>"])
    assert options == {"identity": f"a<{MARK}s>b", "thinking": True}
