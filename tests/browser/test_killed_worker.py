"""A model's process dies under the hands of three who use it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import openai
from playwright.sync_api import expect

from tests.browser.lab import Lab
from tests.browser.notebook import Notebook
from tests.conftest import Server, wait_until


def stream_by_sdk(server: Server, model: str) -> str:
    """The error that ends a long answer; an empty string where it ends by itself."""
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.token, max_retries=0) as client:
        question = [{"role": "user", "content": "Go on and on"}]
        try:
            for _ in client.chat.completions.create(model=model, messages=question, stream=True):
                pass
        except openai.APIError as error:
            return error.message
    return ""


def test_two_notebooks_and_a_program_outlive_the_worker_that_they_share(lab: Lab, endless: str) -> None:
    cells = ("%load_ext jupyter_uml", f"%%uml {endless}\nGo on and on", f"%%uml {endless} --max-tokens 5\nHello")
    notebooks = [lab.notebook(name, *cells) for name in ("one.ipynb", "two.ipynb")]
    for notebook in notebooks:
        notebook.run(0)
    kernels = [notebook.kernel() for notebook in notebooks]
    with ThreadPoolExecutor(1) as pool:
        program = pool.submit(stream_by_sdk, lab.server, endless)
        for notebook in notebooks:
            notebook.begin(1)
        for notebook in notebooks:
            notebook.until("panel.content.widgets[1].model.outputs.length > 0")
        wait_until(lambda: lab.server.model(endless)["active"] == 3)
        (worker,) = lab.server.workers()
        worker.kill()
        assert "process" in program.result(timeout=5)
    for notebook, kernel in zip(notebooks, kernels, strict=True):
        notebook.finish(seconds=5)
        assert_one_readable_line(notebook)
        notebook.run(2)
        assert "5 tokens" in notebook.outputs(2)[0]["data"]["text/html"]
        assert notebook.kernel() == kernel
    (successor,) = lab.server.workers()
    assert successor.pid != worker.pid
    lab.picture("killed")


def assert_one_readable_line(notebook: Notebook) -> None:
    assert "process" in notebook.error_line(1)
    answer = notebook.output(1)
    expect(answer.locator("p").first).not_to_be_empty()
    expect(answer).to_contain_text("not complete")
