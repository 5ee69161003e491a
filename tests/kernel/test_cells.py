"""What a cell can ask for beside an answer: each in a real kernel, on a real server."""

from __future__ import annotations

import pytest

from jupyter_uml.client import UniversalClient
from jupyter_uml.display.colours import DOUBTFUL
from jupyter_uml.kernel.record import NAMESPACE, AnswerRecord
from tests.conftest import Server
from tests.kernel.conftest import Kernel, Shown

LIGHT = """\
calls = []
def set_light(room: str, state: str) -> dict:
    "Turn the light of a room on or off"
    calls.append(room)
    return {"ok": True}"""
ASK_LIGHT = "%%uml demo --tools set_light --temperature 0 --no-cache\nTurn on the light in the kitchen"


def asked(kernel: Kernel, code: str, **options: str) -> Shown:
    shown = kernel.run(code, **options)  # type: ignore[arg-type]
    assert shown.status == "ok", shown.errors
    return shown


def note(shown: Shown) -> str:
    """The line under the last answer."""
    return shown.html.rpartition('em">')[2]


def test_an_answer_goes_into_a_variable(kernel: Kernel) -> None:
    shown = asked(kernel, "%%uml demo --temperature 0 --max-tokens 9 --var said\nWho are you?")
    assert kernel.run("print(said, end='')").printed == shown.displays[0]["text/plain"]
    assert kernel.run("print(_uml.text == said, _uml.model)").printed == "True demo\n"


def test_an_answer_in_a_form_is_a_value(kernel: Kernel) -> None:
    asked(kernel, "from enum import Enum\nclass Mood(Enum):\n    GOOD = 'good'\nseven = {'const': 7}")
    shown = asked(kernel, "%%uml demo --schema Mood --var found\nHow is the mood?")
    assert shown.displays[0]["text/plain"] == '"good"'
    assert ">good<" in shown.html
    assert kernel.run("print(found is Mood.GOOD)").printed == "True\n"
    asked(kernel, "%%uml demo --schema seven --var found\nHow many?")
    asked(kernel, "%%uml demo --schema 'tuple[Mood]' --var pair\nHow is the mood?")
    assert kernel.run("print(found, pair)").printed == "7 (<Mood.GOOD: 'good'>,)\n"
    refused = kernel.run("%%uml demo --schema None\nHow is the mood?")
    assert "None is no type" in refused.errors[0]
    refused = kernel.run("%%uml demo --schema Nothing\nHow is the mood?")
    assert "--schema Nothing: name 'Nothing' is not defined" in refused.errors[0]


def test_a_cut_answer_is_no_object_and_says_so(kernel: Kernel) -> None:
    shown = kernel.run("%%uml demo --json --max-tokens 2 --temperature 0 --var nothing\nA city")
    assert "cut off after 2 tokens: raise max_tokens for the rest" in note(shown)
    assert DOUBTFUL in shown.html
    assert "The answer was cut" in shown.errors[0]
    assert kernel.run("'nothing' in globals()").status == "ok"
    assert kernel.run("print('nothing' in globals())").printed == "False\n"


def test_what_is_in_braces_is_filled_in_and_told(kernel: Kernel, client: UniversalClient) -> None:
    asked(kernel, "who = 'you'")
    shown = asked(kernel, '%%uml demo --temperature 0 --max-tokens 9\nWho are {who}? {"a": 1}')
    expected = client.chat('Who are you? {"a": 1}', model="demo", temperature=0, max_tokens=9)
    assert shown.displays[0]["text/plain"] == expected.text
    assert note(shown).endswith("with {who}</div>")
    raw = asked(kernel, "%%uml demo --temperature 0 --max-tokens 9 --raw\nWho are {who}?")
    assert "with {who}" not in raw.html
    failed = kernel.run("%%uml demo\nWho are {who[99]}?")
    assert "{who[99]} in the question: IndexError" in failed.errors[0]


def test_options_may_be_filled_in_too(kernel: Kernel) -> None:
    asked(kernel, "chosen = 'demo'")
    for line in ("%%uml {chosen} --max-tokens 2\nHi", "%%uml $chosen --max-tokens 2\nHi"):
        assert "demo · 2 tokens" in note(asked(kernel, line))
    assert "demo is loaded" in asked(kernel, "%uml load {chosen}").text


def test_a_function_is_called_once_the_person_agrees(kernel: Kernel) -> None:
    asked(kernel, LIGHT)
    refused = kernel.run(ASK_LIGHT)
    assert "nobody can be asked here. Allow it with `--yes`" in refused.errors[0]
    denied = kernel.run(ASK_LIGHT, typed=["n"])
    assert denied.status == "ok"
    assert 'set_light {"room": "kitchen", "state": "on"}' in denied.asked[0]
    assert "The user did not allow this call." in denied.displays[1]["text/plain"]
    assert kernel.run("print(calls)").printed == "[]\n"
    always = kernel.run(ASK_LIGHT, typed=["a"])
    assert [data["text/plain"] for data in always.displays[1:]] == ['← {"ok":true}', "The kitchen light is on."]
    assert kernel.run(ASK_LIGHT).status == "ok"  # nobody has to be asked any more
    assert kernel.run("print(calls)").printed == "['kitchen', 'kitchen']\n"


def test_what_a_function_raises_is_the_cells_error(kernel: Kernel) -> None:
    asked(kernel, LIGHT.replace("calls.append(room)", "raise LookupError('no such room')"))
    shown = kernel.run(ASK_LIGHT.replace("--no-cache", "--yes"))
    assert shown.status == "error"
    assert "LookupError" in shown.errors[0]
    assert shown.displays[0]["text/plain"].startswith("→ set_light")


def test_a_conversation_goes_on_over_cells(kernel: Kernel, client: UniversalClient) -> None:
    first = asked(kernel, "%%uml demo --chat --temperature 0 --system 'Be brief.'\nWho are you?", cell="one")
    second = asked(kernel, "%%uml demo --chat --temperature 0\nHow do I load a model?", cell="two")
    assert note(second).endswith("turn 2 of the chat</div>")
    messages = [
        {"role": "user", "content": "Who are you?"},
        {"role": "assistant", "content": first.displays[0]["text/plain"]},
        {"role": "user", "content": "How do I load a model?"},
    ]
    expected = client.chat(messages, model="demo", temperature=0, system="Be brief.")
    assert second.displays[0]["text/plain"] == expected.text

    again = asked(kernel, "%%uml demo --chat --temperature 0\nWhat is pinning?", cell="one")
    assert note(again).endswith("turn 1 of the chat</div>")
    history = asked(kernel, "%uml history").text
    assert history.count("You:") == history.count("Model:") == 2
    assert "Who are you?" not in history
    assert history.index("What is pinning?") < history.index("How do I load a model?")
    assert "System: Be brief." in history
    assert "is forgotten, 2 turns" in asked(kernel, "%uml reset").text
    assert "There is no conversation yet" in kernel.run("%uml history").errors[0]


def test_a_model_behind_chat_is_the_model(kernel: Kernel) -> None:
    assert note(asked(kernel, "%%uml --chat demo --max-tokens 2\nHi")).endswith("turn 1 of the chat</div>")
    assert note(asked(kernel, "%%uml --chat plans --max-tokens 2\nHi")).endswith("turn 1 of the chat “plans”</div>")
    asked(kernel, "%uml reset")
    asked(kernel, "%uml reset plans")


def test_the_cells_above_go_with_the_question(kernel: Kernel) -> None:
    kernel.run("%xmode Plain")
    kernel.run("answer = 6 * 7; print('it is', answer)", cell="above", history=True)
    kernel.run("{}['a key']", cell="fails", history=True)
    shown = asked(kernel, "%%uml demo --cells 1 --max-tokens 2 --var said\nWhat is it?", cell="asks")
    assert "with 1 cell above" in note(shown)
    told = kernel.run(
        "from jupyter_uml.kernel.cells_above import cells_above\n"
        "magics = get_ipython().find_line_magic('uml').__self__\n"
        "print(cells_above(magics._notebook.log, 2).text)",
        cell="asks",
    )
    assert "answer = 6 * 7" in told.printed
    assert "it is 42" in told.printed
    assert "KeyError: 'a key'" in told.printed


def test_an_answer_is_recorded_and_comes_from_the_cache_when_asked_again(kernel: Kernel) -> None:
    question = "%%uml demo --temperature 0\nWhat does %uml status show?"
    first, second = asked(kernel, question), asked(kernel, question)
    before, after = (AnswerRecord.from_dict(shown.metadata[-1][NAMESPACE]) for shown in (first, second))
    assert (before.state, before.model, before.cached, before.params) == ("done", "demo", False, {"temperature": 0.0})
    assert (after.cached, after.differences(before)) == (True, [])
    assert second.displays[0]["text/plain"] == first.displays[0]["text/plain"]
    assert note(second) == "demo · from the cache · complete</div>"
    assert "tokens/s" in note(asked(kernel, question.replace("demo", "demo --no-cache", 1)))
    asked(kernel, "%uml set cache off")
    assert "tokens/s" in note(asked(kernel, question))
    asked(kernel, "%uml set cache auto")


def test_a_seed_is_drawn_and_is_enough_to_have_the_answer_again(kernel: Kernel) -> None:
    question = "%%uml demo --temperature 1.5 --max-tokens 12\nTell me something"
    shown = asked(kernel, question)
    record = AnswerRecord.from_dict(shown.metadata[-1][NAMESPACE])
    assert not record.cached
    again = asked(kernel, question.replace("--max", f"--seed {record.seed} --no-cache --max"))
    assert again.displays[0]["text/plain"] == shown.displays[0]["text/plain"]


def test_while_it_comes_the_output_says_of_which_generation_it_is(kernel: Kernel) -> None:
    asked(kernel, "%uml load endless")
    shown = asked(kernel, "%%uml endless --max-tokens 300 --seed 1\nGo on")
    rows = [metadata[NAMESPACE] for metadata in shown.metadata if NAMESPACE in metadata]
    assert {row["generation"] for row in rows} == {rows[-1]["generation"]}
    assert (rows[0]["state"], rows[-1]["state"]) == ("running", "done")
    asked(kernel, "%uml unload endless")


@pytest.mark.parametrize(
    "code",
    ["%uml explain demo --max-tokens 5", "%%uml explain demo --max-tokens 5", "%%uml fix --max-tokens 5\nPlease"],
)
def test_the_last_error_is_asked_about(kernel: Kernel, code: str) -> None:
    kernel.run("numbers = []\nnumbers[3]", history=True)
    shown = asked(kernel, code)
    assert "5 tokens" in note(shown)
    assert "with" not in note(shown)  # braces of code are no expressions


def test_a_model_may_be_called_fix(kernel: Kernel, server: Server) -> None:
    (server.models / "fix.gguf").write_bytes((server.models / "endless.gguf").read_bytes())
    assert note(asked(kernel, "%%uml --model fix --max-tokens 3\nHello")).startswith("fix · 3 tokens")
    asked(kernel, "%uml unload fix")
    (server.models / "fix.gguf").unlink()


def test_settings_hold_for_all_cells_until_a_cell_says_otherwise(kernel: Kernel) -> None:
    asked(kernel, "%uml set max-tokens 3")
    asked(kernel, "%config UmlMagics.temperature = 0.0")
    record = AnswerRecord.from_dict(asked(kernel, "%%uml demo\nWho are you?").metadata[-1][NAMESPACE])
    assert record.params == {"max_tokens": 3, "temperature": 0.0}
    assert "4 tokens" in note(asked(kernel, "%%uml demo --max-tokens 4\nWho are you?"))
    table = asked(kernel, "%uml set").text
    assert "max_tokens     3" in table
    asked(kernel, "%uml set max_tokens None")
    asked(kernel, "%uml set temperature None")
    asked(kernel, "%uml set keep_alive 1h")
    asked(kernel, "%%uml demo --max-tokens 2\nHi")
    assert "in 60 min" in asked(kernel, "%uml status").text
    asked(kernel, "%uml unload demo")
    asked(kernel, "%uml set keep_alive none")
    assert "keep_alive: must be seconds" in kernel.run("%uml set keep_alive soon").errors[0]
    assert "it is a float" in kernel.run("%uml set temperature hot").errors[0]
    assert "There is no setting 'temprature'" in kernel.run("%uml set temprature 1").errors[0]
