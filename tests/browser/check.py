#!/usr/bin/env python3
"""Opens pages in headless Chromium and uses them as a reader would.

    check.py REPORT.html [--shots FOLDER]

Speaks the DevTools protocol over the browser's pipe, so that nothing but Python and Chromium is needed. Exits with 1 and
says what is wrong where a page does not do what docs/report.md says.
"""

import argparse
import base64
import fcntl
import json
import os
import pathlib
import subprocess
import tempfile

# Most milliseconds between frames while the largest circuit is moved; machines of tests are slow and have no graphics.
SLOWEST_DRAW = 170


class Browser:
    """A headless Chromium and its one tab."""

    def __init__(self, profile):
        to_browser, self.out = os.pipe()
        self.into, from_browser = os.pipe()

        def pipes():
            # The browser reads from 3 and writes to 4, which may be what the pipes have now.
            ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_browser, from_browser)]
            for number, end in zip((3, 4), ends):
                os.dup2(end, number, inheritable=True)

        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
             f"--user-data-dir={profile}", "--window-size=1280,1000", "about:blank"],
            preexec_fn=pipes, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.number, self.rest, self.problems, self.session = 0, b"", [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self):
        self.session = None
        self.call("Browser.close")
        self.process.wait(timeout=20)

    def message(self):
        while b"\0" not in self.rest:
            part = os.read(self.into, 1 << 16)
            assert part, "the browser is gone"
            self.rest += part
        text, self.rest = self.rest.split(b"\0", 1)
        return json.loads(text)

    def note(self, message):
        """Keeps what the page should never do: errors, warnings, requests beyond its own file."""
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(params["exceptionDetails"])[:600])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.problems.append(json.dumps(params["args"])[:600])
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.problems.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent" and not params["request"]["url"].startswith(("file:", "about:")):
            self.problems.append("request of " + params["request"]["url"][:200])

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.message()
            self.note(answer)
            if answer.get("id") == self.number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def open(self, path):
        self.problems.clear()
        self.call("Page.navigate", url=pathlib.Path(path).resolve().as_uri())
        while self.message_until("Page.loadEventFired"):
            pass
        self.settle()

    def message_until(self, method):
        message = self.message()
        self.note(message)
        return message.get("method") != method

    def js(self, code):
        """The value of an expression in the page; promises are waited for."""
        answer = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, f"{code}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def settle(self):
        self.js("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def mouse(self, kind, x, y):
        button = {"button": "left", "clickCount": 1} if kind in ("mousePressed", "mouseReleased") else {}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def click(self, x, y):
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y)
        self.mouse("mouseReleased", x, y)
        self.settle()

    def key(self, key, text=None):
        codes = {"Enter": 13, "Tab": 9, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        more = {"windowsVirtualKeyCode": codes[key]} if key in codes else {}
        if text or key == "Enter":
            more["text"] = text or "\r"
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)
        self.settle()

    def shot(self, path):
        self.settle()
        picture = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(picture))

    def dark(self, dark):
        value = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])
        self.settle()

    def place(self, selector):
        return self.js(f"(r => [r.x + r.width / 2, r.y + r.height / 2])(document.querySelector({selector!r}).getBoundingClientRect())")

    def box(self):
        return self.js("box.hidden ? null : box.textContent")


def check_circuit(page, shots):
    """Slider, hover, search, heads, keys, and how long a redraw takes."""
    page.js("stage.scrollIntoView({block: 'center'})")
    page.shot(shots / "light.png")
    found = page.js("data.circuit.edges")
    assert page.js("state.shown.length") == min(found, page.js("ofCircuit.length")) > 0
    assert "measured" in page.js("element('size-text').textContent")

    # Each measured size shows as many edges as were measured, and says so; sizes between are interpolated.
    sizes = page.js("measured.map(point => [sizes.indexOf(point.asked), point.edges])")
    for step, edges in sizes:
        page.js(f"element('size').value = {step}; element('size').dispatchEvent(new Event('input'))")
        assert page.js("state.mode") == "ranking"
        shown, text = page.js("state.shown.length"), page.js("element('size-text').textContent")
        assert shown == edges, f"{shown} edges shown, {edges} measured"
        assert "(measured)" in text or "was not measured" in text, text
    taken = {step for step, _ in sizes}
    between = [step for step in range(page.js("sizes.length")) if step not in taken]
    if sizes and between:
        page.js(f"element('size').value = {between[0]}; element('size').dispatchEvent(new Event('input'))")
        assert "interpolated" in page.js("element('size-text').textContent")

    # Arrow keys move the slider.
    page.js("element('size').focus(); element('size').value = 0; element('size').dispatchEvent(new Event('input'))")
    before = page.js("state.size")
    page.key("ArrowRight")
    page.key("ArrowRight")
    assert page.js("state.size") > before, "arrow keys do not move the slider"

    # The largest circuit in the page stays smooth.
    page.js("element('size').value = sizes.length - 1; element('size').dispatchEvent(new Event('input'))")
    page.settle()
    times = page.js("(async () => { const times = []; let last = await new Promise(requestAnimationFrame); "
                    "for (let n = 0; n < 30; n += 1) { state.x += 2; redraw(); const now = await new Promise(requestAnimationFrame); "
                    "times.push(now - last); last = now; } return times.sort((a, b) => a - b); })()")
    update = page.js("(t => (update(true), performance.now() - t))(performance.now())")
    hover = page.js("(t => (nearestEdge({clientX: 600, clientY: 500}), performance.now() - t))(performance.now())")
    print(f"{page.js('state.shown.length')} edges: a frame while it moves {times[15]:.0f} ms (median), {times[-1]:.0f} ms at most; "
          f"another size {update:.0f} ms; edge at the pointer {hover:.1f} ms")
    assert times[15] < SLOWEST_DRAW, times
    page.shot(shots / "largest.png")

    # Nodes and edges say what they are.
    page.js("setMode('circuit')")
    page.settle()
    page.mouse("mouseMoved", *page.place(".node.end"))
    page.settle()
    assert "shown" in (page.box() or ""), page.box()
    at = page.js("(() => { const r = stage.getBoundingClientRect(); const i = 2 * (SAMPLES >> 1); "
                 "return [lines[i] * state.scale + state.x + r.left, lines[i + 1] * state.scale + state.y + r.top]; })()")
    page.mouse("mouseMoved", *at)
    page.settle()
    assert "->" in (page.box() or "") or page.js("state.pointed !== null"), page.box()

    # The search marks nodes.
    page.js("element('search').value = 'logits'; element('search').dispatchEvent(new Event('input'))")
    assert page.js("document.querySelectorAll('.node.found').length") == 1
    page.js("element('search').focus()")
    page.key("Enter")
    assert page.js("document.activeElement.dataset.node") is not None, "Enter does not go to what was found"
    page.js("element('search').value = ''; element('search').dispatchEvent(new Event('input'))")

    # Keys go from node to node; Enter shows one.
    page.key("ArrowDown")
    assert page.js("nodes[current].name") != "logits", "arrow keys do not move among nodes"
    page.key("Enter")
    assert page.js("element('details').querySelectorAll('table').length") > 0

    # A head shows where it looks.
    head = page.js("data.attention.heads.length > 0 ? data.attention.heads[0].head : null")
    if head:
        number = page.js(f"nodesAt.get({head!r}).find(node => places[node])")
        page.click(*page.place(f'.node[data-node="{number}"]'))
        assert page.js("element('details').querySelectorAll('canvas').length") == page.js("data.attention.prompts.length") > 0
        page.js("element('details').scrollIntoView({block: 'start'})")
        page.shot(shots / "head.png")

    # The table of prompts sorts both ways.
    if page.js("document.querySelector('#prompts') !== null"):
        column = "[...document.querySelectorAll('#prompts tbody tr')].map(row => parseFloat(row.cells[6].textContent))"
        page.js("document.querySelectorAll('#prompts th button')[6].click()")
        numbers = page.js(column)
        assert numbers == sorted(numbers), numbers
        page.js("document.querySelectorAll('#prompts th button')[6].click()")
        assert page.js(column) == sorted(numbers, reverse=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("pages", nargs="+", type=pathlib.Path)
    arguments.add_argument("--shots", type=pathlib.Path, help="folder for screenshots and the printed page")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as work:
        page = Browser(pathlib.Path(work) / "profile")
        for number, path in enumerate(options.pages):
            shots = (options.shots or pathlib.Path(work) / "shots") / str(number)
            shots.mkdir(parents=True, exist_ok=True)
            page.dark(False)
            page.open(path)
            circuit = page.js("document.getElementById('data') !== null")
            if circuit:
                check_circuit(page, shots)
            else:
                page.shot(shots / "light.png")
            light = page.js("getComputedStyle(document.body).backgroundColor")
            page.dark(True)
            dark = page.js("getComputedStyle(document.body).backgroundColor")
            assert light != dark, "dark surroundings change nothing"
            page.js("scrollTo(0, 0)")
            page.shot(shots / "dark.png")
            page.js("document.getElementById('theme').click()")
            assert page.js("getComputedStyle(document.body).backgroundColor") == light, "the button changes nothing"
            # The choice is remembered, for pages of the same folder too.
            page.js("localStorage.clear()")
            printed = page.call("Page.printToPDF", printBackground=True)["data"]
            (shots / "print.pdf").write_bytes(base64.b64decode(printed))
            assert not page.problems, "\n".join(page.problems)
            print(f"{path}: as it should be")
        page.close()


if __name__ == "__main__":
    main()
