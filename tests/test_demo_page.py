"""The demo's page in headless Chromium: drawn on by mouse, touch and keyboard."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from demo_server import make_observer, running

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium: pip install selenium")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

DRIVER, CHROMIUM = shutil.which("chromedriver"), shutil.which("chromium")
pytestmark = [
    pytest.mark.unsanitized(reason="the sanitizers would be in Chromium, too"),
    pytest.mark.skipif(not (DRIVER and CHROMIUM), reason="Debian: chromium, chromium-driver"),
    pytest.mark.filterwarnings("default::ResourceWarning"),  # selenium's
]

SEVEN = [(-70, -80), (60, -80), (20, 0), (-20, 90)]  # from the middle of the canvas


@pytest.fixture(scope="module")
def server():
    with running(make_observer()) as server:
        yield server


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield browser
    browser.quit()


@pytest.fixture
def page(browser, server):
    """The page, just opened."""
    browser.set_window_size(1200, 1000)
    browser.get(server.url)
    wait(browser, "return window.demo && !busy")
    return browser


def wait(page, script):
    WebDriverWait(page, 60, poll_frequency=0.02).until(lambda page: page.execute_script(script))


def draw_by_mouse(page):
    pad = page.find_element("id", "pad")
    actions = ActionChains(page, duration=20)
    actions.move_to_element_with_offset(pad, *SEVEN[0]).click_and_hold()
    for x, y in SEVEN[1:]:
        actions.move_to_element_with_offset(pad, x, y)
    actions.release().perform()


def draw_by_touch(page):
    box = page.find_element("id", "pad").rect
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for number, offset in enumerate(SEVEN):
        point = {"x": middle[0] + offset[0], "y": middle[1] + offset[1]}
        event = {"type": "touchMove" if number else "touchStart", "touchPoints": [point]}
        page.execute_cdp_cmd("Input.dispatchTouchEvent", event)
    page.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def draw_by_keyboard(page):
    up, right, down = Keys.ARROW_UP, Keys.ARROW_RIGHT, Keys.ARROW_DOWN
    keys = up * 6 + Keys.ARROW_LEFT * 5 + Keys.SPACE + right * 10 + down * 14 + Keys.SPACE
    page.find_element("id", "pad").send_keys(keys)


@pytest.mark.parametrize("draw", [draw_by_mouse, draw_by_touch, draw_by_keyboard])
def test_the_prediction_follows_the_pen(page, server, draw, request):
    answer = page.find_element("id", "answer")
    assert answer.text == "Nothing drawn yet."
    draw(page)
    wait(page, "return !busy && window.demo.answer.digit !== null")
    sent = page.execute_script("return window.demo.sent")
    pixels = np.array(sent["pixels"], np.uint8).reshape(sent["height"], sent["width"])
    digit = server.observer.look(pixels)["digit"]
    assert answer.text == f"This is a {digit}."
    colours = page.execute_script(
        "return [...document.querySelectorAll('.layer canvas')].map(canvas => new Set(canvas"
        ".getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size)"
    )
    assert len(colours) == len(server.observer._model.layers)
    assert min(colours) > 2  # values of bytes: something, nothing, opaque
    milliseconds = page.execute_script("return window.demo.milliseconds")
    sys.stdout.write(f"{request.node.name}: answered in {milliseconds:.1f} ms\n")  # with -s
    page.find_element("id", "clear").click()
    wait(page, "return !busy && window.demo.answer.digit === null")
    assert answer.text == "Nothing drawn yet."
    assert page.get_log("browser") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_layout(page, scheme, width):
    """Nothing sticks out; with CONVLET_SCREENSHOTS=DIRECTORY there are pictures to look at."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    size = {"width": width, "height": 1600, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    draw_by_mouse(page)
    wait(page, "return !busy && window.demo.answer.digit !== null")
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    folder = os.environ.get("CONVLET_SCREENSHOTS")
    if folder:
        page.save_screenshot(str(Path(folder) / f"{scheme}-{width}.png"))
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
