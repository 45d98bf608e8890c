# SPDX-License-Identifier: MIT
"""A real Chromium without a window, driven by its DevTools protocol over a pipe: no port, no library."""
import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time

# Debian's packages first; all of them are the same engine.
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


class Failure(Exception):
    """What a page did not do."""


def program():
    """The browser to run, or None. CROSSDOCK_CHROMIUM names another one."""
    named = os.environ.get("CROSSDOCK_CHROMIUM")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, PROGRAMS)), None)


def high_pipe():
    """A pipe whose descriptors are none of the first ones, which the browser gets in a different order."""
    low = os.pipe()
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in low]
    for fd in low:
        os.close(fd)
    return high


class Browser:
    """One process; every page is in a profile of its own, as if somebody else had opened it."""

    def __init__(self, folder):
        (command_out, self.commands), (self.answers, answer_in) = high_pipe(), high_pipe()
        options = [
            "--headless", "--remote-debugging-pipe", f"--user-data-dir={folder}", "--no-first-run", "--disable-gpu",
            "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--no-default-browser-check", "--force-color-profile=srgb", "--hide-scrollbars",
        ]  # fmt: skip
        if os.geteuid() == 0:
            options.append("--no-sandbox")  # it refuses to run as root with one
        # the protocol's descriptors are 3 and 4
        shell = f'exec "$@" 3<&{command_out} 4>&{answer_in} {command_out}<&- {answer_in}>&-'
        self.process = subprocess.Popen(
            ["bash", "-c", shell, "chromium", program(), *options, "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(command_out, answer_in), start_new_session=True,
        )  # fmt: skip
        os.close(command_out)
        os.close(answer_in)
        self.buffer = b""
        self.last = 0
        self.faults = []  # errors of scripts in pages

    def call(self, method, session=None, seconds=30, **params):
        """A command's result."""
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + seconds
        while True:
            answer = self.read(end - time.monotonic())
            if answer is None:
                raise Failure(f"the browser did not answer {method} within {seconds} s")
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise Failure(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def read(self, seconds):
        """The next message, or None when there is none in time. Events are looked at and passed over."""
        end = time.monotonic() + seconds
        while b"\0" not in self.buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.answers], [], [], left)[0]:
                return None
            got = os.read(self.answers, 1 << 20)
            if not got:
                raise Failure("the browser has ended")
            self.buffer += got
        line, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(line)
        if message.get("method") == "Runtime.exceptionThrown":
            details = message["params"]["exceptionDetails"]
            self.faults.append(details.get("exception", {}).get("description") or details["text"])
        return message

    def open(self, url, width=760, height=460):
        return Page(self, url, width, height)

    def close(self):
        """End it with all its children."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)  # the session started above, nothing else
        self.process.wait()
        os.close(self.commands)
        os.close(self.answers)


class Page:
    """A tab."""

    def __init__(self, browser, url, width, height):
        self.browser = browser
        self.context = browser.call("Target.createBrowserContext")["browserContextId"]
        self.target = browser.call("Target.createTarget", url="about:blank", browserContextId=self.context)["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)
        self.session = attached["sessionId"]
        self.call("Runtime.enable")
        self.call("Page.enable")
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        self.call("Page.navigate", url=url)

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def value(self, script):
        """What an expression of the page's JavaScript gives."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise Failure(f"{script}: {answer['exceptionDetails']['exception'].get('description')}")
        return answer["result"].get("value")

    def wait(self, script, seconds=30, what=None):
        """Wait until the expression is true; gives its value."""
        end = time.monotonic() + seconds
        while True:
            found = self.value(script)
            if found:
                return found
            if time.monotonic() > end:
                raise Failure(f"{what or script}: not within {seconds} s; the page says:\n{self.text()}")
            time.sleep(0.03)

    def text(self):
        return self.value("document.body ? document.body.innerText : ''")

    def centre(self, selector):
        script = f"""(() => {{
            const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()"""
        return self.value(script)

    def mouse(self, kind, x, y):
        held = 0 if kind == "mouseMoved" else 1
        button = "left" if held else "none"
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=held)

    def click(self, selector):
        x, y = self.centre(selector)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.mouse(kind, x, y)

    def drag(self, selector, dx):
        """Take the middle of an element and move it to the right by so many pixels."""
        x, y = self.centre(selector)
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y)
        for step in range(1, 11):
            at = x + dx * step / 10
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=at, y=y, button="left", buttons=1)
        self.mouse("mouseReleased", x + dx, y)

    def picture(self, path):
        shot = self.call("Page.captureScreenshot", format="png")
        with open(path, "wb") as out:
            out.write(base64.b64decode(shot["data"]))

    def close(self):
        """As its user closes the tab."""
        self.browser.call("Target.closeTarget", targetId=self.target)
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)
