"""The sidebar's section “API keys”: made, copied, used, revoked."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Locator, expect

from tests.browser import axe
from tests.browser.lab import Lab
from tests.conftest import TLS

HOSTILE = '<img src=x onerror="window.hurt=1"> & co'


@pytest.fixture
def keys(lab: Lab) -> Iterator[Locator]:
    """The section, open. The keys that the test made are revoked after it."""
    before = {row["id"] for row in rows(lab)}
    section = lab.sidebar().root.locator("[data-uml-section=keys]")
    expect(section.get_by_text("New key", exact=True)).to_be_hidden()
    section.get_by_text("API keys", exact=True).click()
    section.get_by_text("New key", exact=True).click()
    yield section
    for row in rows(lab):
        if row["id"] not in before and row["state"] == "active":
            lab.server.request("DELETE", f"keys/{row['id']}").raise_for_status()


def rows(lab: Lab) -> list[dict[str, object]]:
    found: list[dict[str, object]] = lab.server.get("keys").json()["keys"]
    return found


def status(lab: Lab, secret: str) -> int:
    """Of a request with the key alone."""
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx2.get(f"{lab.server.url}/v1/models", headers=headers, timeout=60, verify=TLS).status_code


def pictures(lab: Lab, name: str) -> None:
    root = lab.sidebar().root
    for theme in lab.in_both_themes():
        assert axe.violations(root.locator("[data-uml-section=keys]")) == []
        lab.picture(f"{name}-{theme.lower()}", root)


def test_a_key_is_made_copied_used_and_revoked(lab: Lab, keys: Locator) -> None:
    keys.get_by_role("textbox", name="Name").fill("nightly build")
    for scope, chosen in {"infer": True, "models:read": True, "models:admin": False, "keys:admin": False}.items():
        expect(keys.get_by_role("checkbox", name=scope)).to_be_checked(checked=chosen)
    keys.get_by_role("textbox", name="Models").fill("demo, qwen*")
    keys.get_by_role("textbox", name="Expires in").fill("30d")
    keys.get_by_role("textbox", name="Requests per minute").fill("60")
    keys.get_by_role("textbox", name="Tokens per minute").fill("10000")
    keys.get_by_role("textbox", name="Tokens per minute").press("Enter")

    field = keys.get_by_label("Secret of nightly build", exact=True)
    expect(field).to_be_focused()
    secret = field.input_value()
    expect(keys).to_contain_text("It is shown this once.")
    expect(keys.get_by_role("textbox", name="Name")).to_have_value("")
    row = keys.get_by_role("listitem", name="nightly build")
    for words in ("Active", "infer, models:read", "demo, qwen*", "60 requests/min, 10,000 tokens/min", "in 30 days"):
        expect(row).to_contain_text(words.replace("0 ", "0\u00a0"))
    expect(row).to_contain_text("Last usednever")
    keys.get_by_role("button", name="Copy the secret of nightly build").click()
    expect(keys).to_contain_text("Copied")
    assert lab.page.evaluate("navigator.clipboard.readText()") == secret
    pictures(lab, "sidebar-keys-new")

    assert status(lab, secret) == 200
    expect(row).to_contain_text("ago", timeout=8_000)
    keys.get_by_role("button", name="Hide the secret for good").click()
    assert secret not in lab.page.content()
    keys.get_by_text("New key", exact=True).click()
    pictures(lab, "sidebar-keys-list")

    row.get_by_role("button", name="Revoke nightly build").click()
    dialog = lab.page.locator(".jp-Dialog")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert status(lab, secret) == 200
    row.get_by_role("button", name="Revoke nightly build").click()
    dialog.get_by_role("button", name="Revoke", exact=True).click()
    expect(keys.get_by_role("list", name="API keys", exact=True).get_by_text("nightly build")).to_have_count(0)
    assert status(lab, secret) == 401
    expect(keys.locator(":focus")).to_have_text("API keys")
    keys.get_by_text("revoked or expired key").click()
    expect(row).to_contain_text("Revoked")
    expect(row.get_by_role("button")).to_have_count(0)


def test_what_the_server_refuses_stands_at_its_field_and_a_name_is_only_text(lab: Lab, keys: Locator) -> None:
    create = keys.get_by_role("button", name="Create the key")
    keys.get_by_role("textbox", name="Name").fill(HOSTILE)
    for label, wrong, right in (
        ("Models", "a b$", "demo"),
        ("Expires in", "next year", ""),
        ("Requests per minute", "1.5", "60"),
        ("Tokens per minute", "0", ""),
    ):
        field = keys.get_by_role("textbox", name=label)
        field.fill(wrong)
        create.click()
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_be_focused()
        assert keys.locator("[aria-invalid]").count() == 1
        expect(field.locator("..").get_by_role("alert")).to_be_visible()
        if label == "Expires in":
            pictures(lab, "sidebar-keys-refused")
        field.fill(right)
    for scope in ("infer", "models:read"):
        keys.get_by_role("checkbox", name=scope).uncheck()
    create.click()
    expect(keys.get_by_role("group", name="Scopes").get_by_role("alert")).to_be_visible()
    keys.get_by_role("checkbox", name="models:read").check()
    create.click()

    expect(keys.get_by_label(f"Secret of {HOSTILE}", exact=True)).to_be_visible()
    expect(keys.get_by_role("alert")).to_have_count(0)
    row = keys.get_by_role("listitem", name=HOSTILE, exact=True)
    expect(row.locator(".jp-uml-Row-name")).to_have_text(HOSTILE)
    row.get_by_role("button", name="Revoke").click()
    expect(lab.page.locator(".jp-Dialog")).to_contain_text(HOSTILE)
    lab.page.keyboard.press("Escape")
    assert lab.page.evaluate("window.hurt") is None
