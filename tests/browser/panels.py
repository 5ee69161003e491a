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
        self.input = root.get_by_label("Question", exact=True)
        self.send = root.get_by_role("button", name="Send")
        self.stop = root.get_by_role("button", name="Stop")
        self.clear = self.button("clear")
        self.questions = root.locator(".uml-question > .uml-body")
        self.answers = root.locator(".uml-answer:not(.uml-live)")
        self.bodies = self.answers.locator("> .uml-body")
        self.live = root.locator(".uml-live > .uml-body")
        self.error = root.locator(".uml-error .uml-body")
        self.notes = self.answers.locator("> .uml-tools .uml-note")
        self.footer = root.locator(".uml-footer")
        self.chips = root.locator(".uml-chip")

    def ask(self, question: str) -> None:
        self.input.fill(question)
        self.input.press("Enter")

    def button(self, action: str) -> Locator:
        return self.root.locator(f"[data-uml-action='{action}']")

    def setting(self, name: str) -> Locator:
        """A field of the settings, which are open."""
        return self.button(f"set-{name}")


class Models:
    """A `ModelPanel`."""

    def __init__(self, root: Locator) -> None:
        self.root = root
        self.choice = root.get_by_label("Model", exact=True)
        self.refresh = root.get_by_role("button", name="Ask again what there is")
        self.load = self.button("load")
        self.unload = self.button("unload")
        self.unload_now = self.button("unload-now")
        self.pin = self.button("pin")
        self.largest = self.button("largest")
        self.slider = root.get_by_role("slider")
        self.context = root.get_by_label("Context", exact=True)
        self.bar = root.get_by_role("img", name="Memory: Weights")
        self.progress = root.locator(".uml-progress")
        self.fit = root.locator(".uml-fit")
        self.status = root.locator(".uml-status")
        self.error = root.locator(".uml-error")
        self.silence = root.locator(".uml-silence")

    def button(self, action: str) -> Locator:
        return self.root.locator(f"[data-uml-action='{action}']")

    def choose(self, model: str) -> None:
        self.choice.select_option(model)

    def plot(self, name: str) -> Locator:
        return self.root.locator(".uml-plot").get_by_role("img", name=name)
