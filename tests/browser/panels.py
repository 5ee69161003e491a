"""What people press: the sidebar and the two widgets, each by its root element."""

from __future__ import annotations

from playwright.sync_api import Locator


class Sidebar:
    """The list of models at the left."""

    def __init__(self, root: Locator) -> None:
        self.root = root

    def row(self, model: str, state: str | None = None) -> Locator:
        """A model's row, while it is in that state."""
        condition = f"[data-uml-state='{state}']" if state else ""
        return self.root.locator(f"[data-uml-model='{model}']{condition}")

    def button(self, model: str, action: str) -> Locator:
        """A button that can be used now."""
        return self.row(model).locator(f"[data-uml-action='{action}']:not([aria-disabled])")

    def message(self, model: str) -> Locator:
        return self.row(model).locator(".jp-uml-Notice [role=alert]")


class Chat:
    """A `ChatPanel`."""

    def __init__(self, root: Locator) -> None:
        self.root = root
        self.input = root.get_by_label("Question")
        self.send = root.get_by_role("button", name="Send")
        self.stop = root.get_by_role("button", name="Stop")
        self.clear = root.get_by_role("button", name="Clear")
        self.questions = root.locator(".uml-question .uml-body")
        self.answers = root.locator(".uml-list .uml-answer")
        self.live = root.locator(".uml-live .uml-body")
        self.error = root.locator(".uml-error .uml-body")

    def ask(self, question: str) -> None:
        self.input.fill(question)
        self.input.press("Enter")


class Models:
    """A `ModelPanel`."""

    def __init__(self, root: Locator) -> None:
        self.root = root
        self.choice = root.get_by_role("combobox").first
        self.refresh = root.get_by_title("Ask again what there is")
        self.load = root.get_by_role("button", name="Load", exact=True)
        self.unload = root.get_by_role("button", name="Unload", exact=True)
        self.progress = root.locator(".uml-progress")
        self.fit = root.locator(".uml-fit")
        self.status = root.locator(".uml-status")
        self.error = root.locator(".uml-error")
