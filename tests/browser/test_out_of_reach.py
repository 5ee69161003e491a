"""The sidebar while the server, or only its sockets, cannot be reached."""

from __future__ import annotations

import re

from playwright.sync_api import WebSocketRoute, expect

from tests.browser.lab import Lab

EVENTS = re.compile(r"/uml/events")
ROUTES = "**/uml/**"
POLLED = 2_500  # milliseconds: each second it asks


def cut_sockets(lab: Lab) -> None:
    """The page's own, which it opens as soon as it is loaded."""

    def refuse(socket: WebSocketRoute) -> None:
        socket.close()

    lab.page.route_web_socket(EVENTS, refuse)
    lab.load()


def test_it_says_so_and_goes_on_by_itself(lab: Lab) -> None:
    cut_sockets(lab)
    sidebar = lab.sidebar()
    expect(sidebar.row("demo", "available")).to_be_visible()
    lab.page.route(ROUTES, lambda route: route.abort())
    banner = sidebar.root.locator(".jp-uml-Banner")
    expect(banner).to_be_visible()
    expect(sidebar.button("demo", "load")).to_have_count(0)
    for theme in lab.in_both_themes():
        lab.picture(f"sidebar-out-of-reach-{theme.lower()}", sidebar.root)
    banner.get_by_role("button", name="Try now").click()
    expect(banner).to_be_visible()
    lab.page.unroute(ROUTES)
    expect(banner).to_have_count(0)  # it goes on trying by itself
    sidebar.button("demo", "load").click()
    expect(sidebar.row("demo", "loaded")).to_be_visible()


def test_without_sockets_it_asks_and_a_load_can_be_cancelled(lab: Lab, demo_bytes: bytes) -> None:
    cut_sockets(lab)
    sidebar = lab.sidebar()
    sidebar.button("demo", "load").click()
    with lab.held_worker():
        sidebar.button("demo", "cancel").click()
        expect(sidebar.row("demo", "available")).to_be_visible()
    lab.server.post("load_model", {"model": "demo"})
    expect(sidebar.row("demo", "loaded")).to_be_visible(timeout=POLLED)
    (lab.server.models / "second.gguf").write_bytes(demo_bytes)
    sidebar.root.locator("[data-uml-action=refresh]").click()
    expect(sidebar.row("second", "available")).to_be_visible()
