"""A person without a mouse."""

from __future__ import annotations

from playwright.sync_api import Locator, Page

STEPS = 80
WHERE = """() => {
    const node = document.activeElement;
    return `${node.tagName.toLowerCase()} ${node.dataset.umlAction ?? node.ariaLabel ?? node.className}`.slice(0, 80);
}"""


class Keyboard:
    """Of one page. Nothing else is used of it."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def press(self, *keys: str) -> None:
        for key in keys:
            self._page.keyboard.press(key)

    def type(self, text: str) -> None:
        self._page.keyboard.type(text)

    def go_to(self, target: Locator, key: str = "Tab") -> None:
        """Press `key` until the target, or something in it, has the focus.

        Raises:
            AssertionError: it never gets it; it says where the focus went instead.
        """
        target.wait_for()
        way = []
        for _ in range(STEPS):
            if target.evaluate("node => node.contains(document.activeElement)"):
                return
            self.press(key)
            way.append(self._page.evaluate(WHERE))
        raise AssertionError(f"{target} is never reached by {key}, which goes to:\n" + "\n".join(way))

    def use(self, target: Locator, key: str = "Enter") -> None:
        """Go to it and press it."""
        self.go_to(target)
        self.press(key)

    def command(self, words: str) -> None:
        """Choose a command in the palette."""
        self.press("Control+Shift+c")
        self._page.locator(".lm-CommandPalette-input:focus").wait_for()
        self.type(words)
        self._page.locator(".lm-CommandPalette-item.lm-mod-active", has_text=words).wait_for()
        self.press("Enter")
