"""The documentation in a browser: nothing comes from elsewhere, the policy holds, what it shows can be tried out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from jupyter_uml.server import docs
from tests.browser.conftest import RESULTS, clear
from tests.conftest import Server

pytestmark = pytest.mark.skipif(not (docs.BUILT / "swagger-ui-bundle.js").is_file(), reason="Swagger UI is not built")
CHAT = "#operations-OpenAI-post_v1_chat_completions"


class Reader:
    """A visitor who has signed in, and all that his browser did."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page, self.server = page, server
        self.asked: list[Any] = []
        self.complaints: list[str] = []
        page.on("request", self.on_request)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def on_request(self, request: Any) -> None:
        self.asked.append(request)

    def sign_in(self) -> None:
        self.page.goto(f"{self.server.root}api/status?token={self.server.token}")
        self.asked.clear()

    def open(self, path: str) -> None:
        self.page.goto(f"{self.server.url}/{path}")

    def try_out(self, place: str) -> int:
        """The status of the operation's first example."""
        operation = self.page.locator(place)
        operation.locator(".opblock-summary-control").click()
        operation.locator(".try-out__btn").click()
        operation.locator(".execute").click()
        row = operation.locator(".live-responses-table .response-col_status").nth(1)
        return int(row.inner_text().split()[0])

    def check(self) -> None:
        foreign = [request.url for request in self.asked if not request.url.startswith((self.server.root, "data:"))]
        assert not foreign
        assert not self.complaints


@pytest.fixture
def scheme() -> Literal["light", "dark"]:
    """Which of the two the visitor prefers."""
    return "light"


in_both_schemes = pytest.mark.parametrize("scheme", ["light", "dark"])


@pytest.fixture
def reader(browser: Browser, lab_server: Server, scheme: Literal["light", "dark"]) -> Iterator[Reader]:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1200, "height": 1000})
    context.set_default_timeout(20_000)
    yield Reader(context.new_page(), lab_server)
    context.close()
    clear(lab_server)


def picture(reader: Reader, name: str) -> None:
    dark = reader.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    folder = RESULTS / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    reader.page.screenshot(path=folder / f"{name}-{'dark' if dark else 'light'}.png")


def brightness(reader: Reader, place: str, what: str) -> int:
    """0 to 765, of a colour as it is shown."""
    script = f"e => getComputedStyle(e).{what}.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0)"
    return int(reader.page.locator(place).first.evaluate(script))


@in_both_schemes
def test_it_is_shown_and_asks_nobody_else(reader: Reader) -> None:
    reader.sign_in()
    reader.open("docs")
    reader.page.locator(CHAT).wait_for()
    picture(reader, "docs")
    dark = bool(reader.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches"))
    for place in (f"{CHAT} .opblock-summary-path", ".uml-bar strong", ".info .title"):
        assert abs(brightness(reader, place, "color") - brightness(reader, "body", "backgroundColor")) > 300, place
    assert (brightness(reader, "body", "backgroundColor") < 200) == dark
    reader.check()


def test_what_it_shows_can_be_tried_out_by_the_visitors_sign_in(reader: Reader) -> None:
    reader.sign_in()
    reader.open("docs")
    assert reader.try_out(CHAT) == 200
    assert reader.try_out("#operations-Models-get_models") == 200
    posts = [request for request in reader.asked if request.method == "POST"]
    assert "x-xsrftoken" in posts[0].headers
    reader.check()


def test_a_key_that_is_pasted_is_used_instead(reader: Reader) -> None:
    reader.sign_in()
    reader.open("docs")
    for key, status in (("uml_wrong", 401), (reader.server.token, 200)):
        reader.page.locator(".btn.authorize").click()
        if reader.page.locator(".auth-container button:has-text('Logout')").count():
            reader.page.locator(".auth-container button:has-text('Logout')").click()
        reader.page.locator(".auth-container input").fill(key)
        reader.page.locator(".auth-btn-wrapper .authorize").click()
        reader.page.locator(".auth-btn-wrapper .btn-done").click()
        place = "#operations-Models-get_models" if status == 401 else CHAT
        assert reader.try_out(place) == status
        sent = reader.asked[-1].headers
        assert sent["authorization"] == f"Bearer {key}"
        assert "x-xsrftoken" not in sent
    stored = reader.page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    assert reader.server.token not in stored, "the key is kept"
    reader.complaints = [text for text in reader.complaints if "401" not in text]
    reader.check()


def test_the_policy_holds(reader: Reader) -> None:
    reader.sign_in()
    reader.open("docs")
    reader.page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.broken = 1';"
        "document.body.append(s); fetch('https://evil.example/').catch(() => {});"
        "new Image().src = 'https://evil.example/x.png' }"
    )
    assert reader.page.evaluate("window.broken") is None
    assert {request.failure for request in reader.asked if "evil" in request.url} <= {"csp"}
    assert len([text for text in reader.complaints if "Content Security Policy" in text]) >= 3


@in_both_schemes
def test_the_socket_page(reader: Reader) -> None:
    reader.sign_in()
    reader.open("docs/socket")
    picture(reader, "docs-socket")
    assert reader.page.locator("section").count() == 10
    answer = reader.page.evaluate(
        """address => new Promise(resolve => {
            const socket = new WebSocket(address), heard = [];
            socket.onmessage = ({data}) => {
                const message = JSON.parse(data);
                heard.push(message.type);
                if (message.type === 'ready') {
                    socket.send(JSON.stringify({type: 'start', id: '1', endpoint: 'v1/chat/completions',
                        body: {model: 'demo', messages: [{role: 'user', content: 'Hi'}], stream: true}}));
                }
                if (['done', 'error'].includes(message.type)) resolve(heard);
            };
        })""",
        reader.page.locator("main code").first.inner_text(),
    )
    assert answer[0] == "ready"
    assert answer[-1] == "done"
    assert "delta" in answer
    reader.check()


def test_a_visitor_who_has_not_signed_in_finds_the_way(reader: Reader) -> None:
    reader.open("docs")
    reader.page.get_by_role("link", name="Sign in").click()
    reader.page.locator("#password_input").fill(reader.server.token)
    reader.page.locator("#login_submit").click()
    reader.page.locator(CHAT).wait_for()


def test_it_needs_the_right_to_read(lab_server: Server) -> None:
    for path in ("docs", "docs/socket", "docs/docs.js", "asyncapi.json", "ws"):
        assert httpx2.get(f"{lab_server.url}/{path}").status_code == 401
