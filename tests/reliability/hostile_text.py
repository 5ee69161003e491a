"""What a model might write to harm whoever reads it: each line would be seen by the canary, or change the page."""

from __future__ import annotations

HARM = "document.title='harmed'"
TERMINAL = "\x1b]0;harmed\x07\x1b[2J\x1b]52;c;aGFybWVk\x07\x9b31m\x08\x7f\rharmed"
TURNED = "user\u202etxt.exe\u2066\u202d"
FRAMES = "data: [DONE]\n\nevent: error\r\ndata: {}\r\n\r\n\u2028data: [DONE]\u2029\x85: x"
END = "the very end"


def hostile_text(url: str) -> str:
    """`url`: of the canary."""
    return f"""\
<script>{HARM};fetch('{url}/script')</script><img src="{url}/img" onerror="{HARM}">
![pixel]({url}/markdown) ![x](data:image/svg+xml,<svg/onload={HARM}>) <img src=x onerror="{HARM}">
<iframe src="{url}/frame"></iframe><object data="{url}/object"></object><embed src="{url}/embed">
<link rel=stylesheet href="{url}/style"><link rel=prefetch href="{url}/prefetch"><base href="{url}/base/">
<style>@import url({url}/import); body {{ background: url({url}/background) }}</style>
<meta http-equiv=refresh content="0;url={url}/refresh"><svg onload="{HARM}"><image href="{url}/svg"/></svg>
<video src="{url}/video" poster="{url}/poster" autoplay></video><audio src="{url}/audio" autoplay></audio>
<form action="{url}/form"><input name=q autofocus onfocus="{HARM}"><button>Sign in again</button></form>
[one](javascript:{HARM}) [two](data:text/html,<script>{HARM}</script>) <javascript:{HARM}> [three](/logout)
<div style="position:fixed;inset:0;background:url({url}/div)" onmouseover="{HARM}">over everything</div>
$\\href{{javascript:{HARM}}}{{x}}$ $$\\includegraphics{{{url}/tex}}$$ {TERMINAL} {TURNED}

| a |
|:--|
| <b onmouseover="{HARM}">b</b> ![cell]({url}/cell) |

```html
</code></pre><script>{HARM}</script><img src="{url}/code">
```

{FRAMES}

{"x" * 3000}

{END}"""
