#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The R package's Shiny apps in a real browser: sessions with daemons of their own, busy buttons, clocks that go on.

usage: browser.py [--pictures FOLDER] [SCENARIO...]     SCENARIO: only these; FOLDER: for pictures of the pages
       browser.py --why-not                             exit code 0, or 1 and what is missing here

R_LIBS names the library where the R package is, and what the example needs. The last line is
"P passed, F failed, S skipped". XDT_SLOW=1 allows five times the time."""
import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import devtools  # noqa: E402
from app import App, EXAMPLE, EXAMPLES, eventually, is_alive, open_files, rows_between, slow_down  # noqa: E402
from devtools import Browser, Failure  # noqa: E402

SLOWNESS = 5 if os.environ.get("XDT_SLOW") else 1
QUERY = 3.0  # seconds that a slow query takes, about

CLOCK = "document.getElementById('current_time').innerText"
ROWS = "document.querySelectorAll('#table tbody tr').length"
SLIDER = "document.querySelector('.irs-to').innerText"
# The upper end of the range as the app has been told: that comes a moment after the drag.
SENT = "Object.entries(Shiny.shinyapp.$inputValues).filter(e => e[0].split(':')[0] === 'sl').map(e => e[1][1])[0]"
# What bslib's button shows, and whether it can be pressed.
BUSY = "(b => b.disabled && b.querySelector('bslib-switch-inline').getAttribute('case') === 'busy')" + (
    "(document.getElementById('btn'))"
)
READY = "(b => !b.disabled && b.querySelector('bslib-switch-inline').getAttribute('case') === 'ready')" + (
    "(document.getElementById('btn'))"
)
# From now on, when the clock changes.
TICKS = """
    window.ticks = [];
    new MutationObserver(() => {
        const text = document.getElementById('current_time').innerText;
        const last = ticks.length ? ticks[ticks.length - 1].text : null;
        if (text !== last) ticks.push({at: performance.now() / 1000, text: text});
    }).observe(document.getElementById('current_time'), {childList: true, characterData: true, subtree: true});
    performance.now() / 1000"""

pictures = None


def expect(condition, what):
    if not condition:
        raise Failure(what)


def picture(page, name):
    if pictures:
        page.picture(pictures / f"{name}.png")


def started(app):
    expect(eventually(app.is_listening, 30 * SLOWNESS), f"the app does not listen:\n{app.said()}")
    return app


def opened(browser, app):
    """A session whose page is there."""
    page = browser.open(app.url)
    page.wait(f"document.getElementById('current_time') && /[0-9]:[0-9]/.test({CLOCK})", 30 * SLOWNESS, "a clock")
    return page


def asked(page, seconds=30):
    """The rows that the button brings, as numbers and words."""
    page.click("#btn")
    page.wait(f"{BUSY} || {ROWS} > 0", seconds * SLOWNESS, "the query begins")
    page.wait(f"{READY} && {ROWS} > 0", seconds * SLOWNESS, "rows")
    return rows(page)


def rows(page):
    script = """Array.from(document.querySelectorAll('#table tbody tr'),
        row => Array.from(row.cells, cell => cell.innerText.trim()))"""
    return [tuple(map(float, row[:4])) + (row[4],) for row in page.value(script)]


def gaps(page, since):
    """Seconds between the ticks of the clock, from `since` until now."""
    times = [since] + page.value("ticks.map(t => t.at)") + [page.value("performance.now() / 1000")]
    return [b - a for a, b in zip(times, times[1:])]


def daemon_of(app, before):
    """The one that has come since: its profile and pid."""
    new = {name: pids for name, pids in app.daemons().items() if name not in before}
    expect(len(new) == 1 and len(list(new.values())[0]) == 1, f"one daemon more, not {new}")
    return next((name, pids[0]) for name, pids in new.items())


# ---- scenarios: each has a browser and an app of its own


def two_sessions_have_a_daemon_and_a_database_each(browser, app):
    first = opened(browser, app)
    profile, pid = daemon_of(app, {})
    second = opened(browser, app)
    other_profile, other_pid = daemon_of(app, {profile})
    expect(pid != other_pid and len(app.daemons()) == 2, "two profiles with a daemon each")
    database = app.database()
    for one in (pid, other_pid):
        expect(eventually(lambda one=one: database in open_files(one), 10 * SLOWNESS), "a connection of its own")

    # all rows to the one, while the other waits for nothing
    slow_down(database, QUERY)
    begun = [page.value(TICKS) for page in (first, second)]
    first.click("#btn")
    first.wait(BUSY, 5 * SLOWNESS, "the button is busy")
    expect("Processing" in first.text(), "the button says so")
    first.wait("ticks.length >= 2", QUERY * SLOWNESS, "the clock goes on")
    expect(first.value(BUSY), "the query was over before the clock had gone on")
    picture(first, "shiny-busy")
    second.wait("ticks.length >= 2", QUERY * SLOWNESS, "the other session's clock goes on")
    expect(second.value(READY), "the other session's button is ready")
    first.wait(f"{READY} && {ROWS} > 0", 10 * QUERY * SLOWNESS, "rows")
    for page, since in zip((first, second), begun):
        worst = max(gaps(page, since))
        expect(worst < 2.5 * SLOWNESS, f"a clock stood still for {worst:.1f} s")
    expect(rows(first) == rows_between(database, 0, 100) and len(rows(first)) == 150, "all rows of the table")
    expect(second.value(ROWS) == 0, "and none for the other session")

    # some of them to the other
    second.drag(".irs-handle.to", -500)
    high = float(second.wait(f"{SLIDER} !== '7.9' && {SLIDER}", what="the slider moves"))
    second.wait(f"{SENT} === {high}", what="the app knows of it")
    found = asked(second, 10 * QUERY)
    expect(found == rows_between(database, 4.3, high) and 0 < len(found) < 150, f"the rows up to {high}: {len(found)}")
    picture(second, "shiny-rows")
    expect(app.daemons() == {profile: [pid], other_profile: [other_pid]}, "the same daemons as before")


def closing_a_tab_ends_its_daemon_and_no_other(browser, app):
    first = opened(browser, app)
    profile, pid = daemon_of(app, {})
    second = opened(browser, app)
    _, other_pid = daemon_of(app, {profile})
    slow_down(app.database(), QUERY)
    first.click("#btn")
    first.wait(BUSY, 5 * SLOWNESS, "the button is busy")
    second.click("#btn")
    second.wait(BUSY, 5 * SLOWNESS, "the other button is busy")
    first.close()  # in the middle of its query
    expect(eventually(lambda: not is_alive(pid), 5 * SLOWNESS), "its daemon is gone")
    second.wait(f"{READY} && {ROWS} == 150", 10 * QUERY * SLOWNESS, "the other session's rows")
    expect(app.pids() == [other_pid], "the other session's daemon")


def twenty_sessions_leave_nothing(browser, app):
    opened(browser, app).close()  # loads what is loaded once
    expect(eventually(lambda: not app.pids(), 10 * SLOWNESS), "the first session's daemon is gone")
    files, descriptors = app.left(), len(open_files(app.pid))
    count = 0
    for turn in range(5):
        pages = [browser.open(app.url) for _ in range(4)]
        count += len(pages)
        if turn == 0:
            pages.pop().close()  # at once
        for page in pages:
            page.wait(f"document.getElementById('current_time') && /[0-9]:[0-9]/.test({CLOCK})", 60 * SLOWNESS, "a clock")
        expect(len(asked(pages[0])) == 150, "rows")
        for page in pages:
            page.close()
    expect(count == 20, "twenty sessions")
    clean = eventually(lambda: not app.pids() and app.left() == files, 15 * SLOWNESS)
    expect(clean, f"left behind: {set(app.left()) - set(files)}")
    same = eventually(lambda: len(open_files(app.pid)) <= descriptors + 1, 5 * SLOWNESS)
    expect(same, f"{len(open_files(app.pid))} descriptors after {descriptors}")


def sessions_that_do_not_wait_hold_up_nobody(browser, app):
    first = opened(browser, app)
    since = first.value(TICKS)
    pages = [browser.open(app.url) for _ in range(6)]
    for page in pages:
        page.wait(f"document.getElementById('current_time') && /[0-9]:[0-9]/.test({CLOCK})", 60 * SLOWNESS, "a clock")
    worst = max(gaps(first, since))
    for page in pages:
        expect(len(asked(page, 60)) == 150, "rows")
    expect(worst < 2.0 * SLOWNESS, f"the first session's clock stood still for {worst:.1f} s")
    expect(len(app.daemons()) == 7, "a daemon for each session")


def ctrl_c_ends_the_app_and_everything(browser, app):
    page = opened(browser, app)
    slow_down(app.database(), QUERY)
    page.click("#btn")
    page.wait(BUSY, 5 * SLOWNESS, "the button is busy")
    # Once the click has been dealt with: an interrupt in the middle of that is sometimes lost, and the app goes on.
    now = page.value(CLOCK)
    page.wait(f"{CLOCK} !== {json.dumps(now)}", 5 * SLOWNESS, "the clock goes on")
    time.sleep(0.3)
    expect(app.interrupt(15 * SLOWNESS) is not None, "the app has ended")
    expect(eventually(lambda: not app.left(), 10 * SLOWNESS), f"left behind: {app.left()}")


# What the app of events shows.
PART = "(b => b ? b.value : -1)(document.getElementById('progress'))"
LINES = "document.getElementById('lines').innerText"
RESULT = "document.getElementById('result').innerText"
# From now on, each value that the bar has had, with the lines that were there and whether the task had ended.
PARTS = f"""
    window.parts = [];
    new MutationObserver(() => {{
        const part = {PART};
        if (!parts.length || parts[parts.length - 1].part !== part)
            parts.push({{part: part, lines: {LINES}, ended: {RESULT} !== ''}});
    }}).observe(document.body, {{childList: true, characterData: true, attributes: true, subtree: true}});"""


def a_bar_fills_while_its_task_runs(browser, app):
    page, other = [browser.open(app.url) for _ in range(2)]
    for one in (page, other):
        one.wait(f"document.getElementById('time') && {PART} === 0", 30 * SLOWNESS, "an empty bar")
    page.value(PARTS)
    page.click("#start")
    page.wait(f"{PART} >= 0.3", 20 * SLOWNESS, "the bar fills")
    expect(page.value(RESULT) == "", "the task runs")
    picture(page, "shiny-progress")
    page.wait(f"{RESULT} === 'all done'", 20 * SLOWNESS, "the result")
    page.wait(f"{PART} === 1", 5 * SLOWNESS, "a full bar")
    page.wait(f"{LINES}.trim().split(/ *\\n/).length === 20", 5 * SLOWNESS, "all lines")
    steps = page.value(LINES).split("\n")
    expect([line.strip() for line in steps if line.strip()] == [f"step {i}" for i in range(1, 21)], f"lines: {steps}")
    seen = [p for p in page.value("parts") if not p["ended"]]
    values = [p["part"] for p in seen]
    expect(values == sorted(values) and len({v for v in values if 0 < v < 1}) >= 5, f"it filled step by step: {values}")
    expect(any("step 5" in p["lines"] for p in seen), "lines came while it ran")
    expect(other.value(PART) == 0 and other.value(LINES).strip() == "", "the other session's bar is empty")
    page.click("#start")  # again, from the beginning
    page.wait(f"{PART} > 0 && {PART} < 0.5", 10 * SLOWNESS, "the bar begins anew")
    page.close()  # in the middle
    expect(eventually(lambda: len(app.pids()) == 1, 5 * SLOWNESS), "its daemon is gone, the other's is there")


SCENARIOS = [
    (two_sessions_have_a_daemon_and_a_database_each, ""),
    (closing_a_tab_ends_its_daemon_and_no_other, ""),
    (twenty_sessions_leave_nothing, ""),
    (sessions_that_do_not_wait_hold_up_nobody, "daemons <- function(...) crossdock::daemons(..., .wait = FALSE)"),
    (ctrl_c_ends_the_app_and_everything, ""),
    (a_bar_fills_while_its_task_runs, "", EXAMPLES / "progress.R"),
]


def run(scenario, prelude, example=EXAMPLE):
    app = App(prelude, example)
    browser = None
    try:
        browser = Browser(app.folder / "browser")
        scenario(browser, started(app))
        expect(not browser.faults, f"errors of scripts: {browser.faults}")
    except Exception:
        print(f"--- the app said:\n{app.said()}---")
        raise
    finally:
        if browser:
            browser.close()
        app.close()


def why_not():
    """What is missing here, or None."""
    if not devtools.program():
        return "there is no Chromium (Debian: chromium-headless-shell)"
    packages = ["crossdock", "shiny", "bslib", "secretbase", "nanonext", "arrow", "nanoarrow", "DBI", "adbi", "adbcsqlite"]
    names = ", ".join(f"'{p}'" for p in packages)
    code = f"p <- c({names}); cat(p[!nzchar(sapply(p, function(n) system.file(package = n)))])"
    try:
        missing = subprocess.run(["Rscript", "--vanilla", "-e", code], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "there is no R"
    return f"R packages are missing: {missing}" if missing else None


def main(args):
    global pictures
    if args[:1] == ["--why-not"]:
        why = why_not()
        print(why or "")
        return 1 if why else 0
    if args[:1] == ["--pictures"]:
        pictures = Path(args[1])
        args = args[2:]
    passed = failed = 0
    for scenario, *rest in SCENARIOS:
        if args and scenario.__name__ not in args:
            continue
        begun = time.monotonic()
        try:
            run(scenario, *rest)
            passed += 1
            end = "passed"
        except Exception:
            traceback.print_exc(file=sys.stdout)
            failed += 1
            end = "FAILED"
        print(f"{scenario.__name__.replace('_', ' ')}: {end} in {time.monotonic() - begun:.1f} s", flush=True)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
