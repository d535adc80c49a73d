"""The report's page in a real headless Chromium: sorting, filtering and values of marks, by mouse and keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bench.report import build
from tests.report.synthetic import write_run

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.common.exceptions import JavascriptException
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.report.browser import CHROMIUM, DRIVER, browser, colours, emulate, requested

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with its chromedriver is installed"),
]
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The browser, with the page of a few runs open."""
    folder = tmp_path_factory.mktemp("page")
    runs, out = folder / "results" / "runs", folder / "out"
    for seed in range(3):
        write_run(runs, method="maml", seed=seed, accuracy=0.985)
        write_run(runs, method="fomaml", seed=seed, accuracy=0.90)
        write_run(runs, method="finetune", seed=seed, preset="quick", accuracy=0.80)
    write_run(runs, method=HOSTILE, accuracy=0.5)
    build.build(runs, out)
    with browser(folder / "profile") as driver:
        driver.get((out / "report.html").as_uri())
        yield driver


@pytest.fixture(autouse=True)
def _as_opened(page: Any) -> None:
    """Opens the page again before each test, without errors or requests of the previous one."""
    emulate(page)
    page.execute_script("history.replaceState(null, '', location.pathname)")  # not where a link has led
    page.refresh()


def table(page: Any, caption: str) -> Any:
    """Omniglot's table under this heading."""
    path = "//details[contains(@class, 'benchmark')][summary/h3='omniglot-5w1s']//*[contains(@class, 'block')]"
    block = page.find_element(By.XPATH, f"{path}[.//h4[contains(., '{caption}')]]")
    page.execute_script("if ('open' in arguments[0]) arguments[0].open = true", block)
    return block.find_element(By.TAG_NAME, "table")


def column(page: Any, found: Any, name: str) -> list[str]:
    """The cells of a table's visible rows in this column."""
    script = """const [table, name] = arguments, heads = [...table.tHead.rows[0].cells];
    const shown = [...table.tBodies[0].rows].filter(row => row.checkVisibility());
    return shown.map(row => row.cells[heads.findIndex(head => head.dataset.name === name)].textContent.trim());"""
    texts: list[str] = page.execute_script(script, found, name)
    return texts


def head(page: Any, found: Any, name: str) -> Any:
    """The button that sorts by this column, scrolled into view so that it can be clicked."""
    button = found.find_element(By.XPATH, f".//thead//button[normalize-space()='{name}']")
    to_the_middle(page, button)
    return button


def to_the_middle(page: Any, element: Any) -> None:
    """Scrolls, without animation, to where nothing covers the element."""
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)


def tip(page: Any) -> str:
    """The value that the page shows for a mark, or the empty string."""
    return page.find_element(By.ID, "tip").text


def labels_of(page: Any, values: list[Any]) -> list[str]:
    """The accessible labels of marks."""
    found: list[str] = page.execute_script("return arguments[0].map(value => value.ariaLabel)", values)
    return found


def focused(page: Any) -> str | None:
    return page.switch_to.active_element.get_attribute("aria-label")


def test_nothing_is_asked_for_and_nothing_goes_wrong(page: Any) -> None:
    for log in ("performance", "browser"):
        page.get_log(log)  # what came before
    page.refresh()
    for figure in page.find_elements(By.CSS_SELECTOR, "figure svg"):
        ActionChains(page).move_to_element(figure).perform()
    assert requested(page) == [page.current_url]
    assert page.get_log("browser") == []


def test_a_name_is_text_and_nothing_else(page: Any) -> None:
    assert HOSTILE in "".join(column(page, table(page, "95 % intervals"), "method"))
    assert page.find_elements(By.TAG_NAME, "img") == []
    # Were it markup all the same, the page's policy would keep it from doing anything.
    with pytest.raises(JavascriptException, match="TrustedScript"):
        page.execute_script("document.body.setAttribute('onclick', 'alert(1)')")


def test_sorting(page: Any) -> None:
    found = table(page, "accuracy (%)")
    button = head(page, found, "accuracy")
    button.click()
    rising = list(map(float, column(page, found, "accuracy")))
    assert rising == sorted(rising) and len(set(rising)) == 4
    button.send_keys(Keys.ENTER)
    assert list(map(float, column(page, found, "accuracy"))) == rising[::-1]
    assert button.find_element(By.XPATH, "..").get_attribute("aria-sort") == "descending"
    head(page, found, "method").click()
    assert column(page, found, "method")[1:] == ["finetune", "fomaml", "maml"]
    assert [e.text[:6] for e in found.find_elements(By.CSS_SELECTOR, "[aria-sort]")] == ["method"]


def test_what_has_no_number_is_ranged_last(page: Any) -> None:
    found = table(page, "every interval")
    head(page, found, "accuracy").click()
    assert column(page, found, "episodes + seeds")[0] == "–"
    for _ in range(2):
        head(page, found, "episodes + seeds").click()
        assert column(page, found, "episodes + seeds")[-1] == "–"


def test_one_form_filters_every_table(page: Any) -> None:
    found, form = table(page, "accuracy (%)"), page.find_element(By.CSS_SELECTOR, ".filters")
    opened = "return document.querySelectorAll('main details[open]').length"
    before = page.execute_script(opened)
    Select(form.find_element(By.NAME, "method")).select_by_value("maml")
    assert column(page, found, "method") == ["maml"]
    assert set(column(page, table(page, "published numbers"), "method")) == {"maml"}
    Select(form.find_element(By.NAME, "verdict")).select_by_value("not run")
    shown = page.find_elements(By.CSS_SELECTOR, "#answers tbody tr")
    texts = [row.text for row in shown if row.is_displayed()]
    assert texts and all(" maml " in text for text in texts) and any("--protocol paper" in text for text in texts)
    form.find_element(By.CSS_SELECTOR, "[type=reset]").send_keys(Keys.SPACE)
    WebDriverWait(page, 30).until(lambda _: len(column(page, found, "method")) == 4)
    assert form.find_element(By.TAG_NAME, "output").text == "" and page.execute_script(opened) == before
    form.find_element(By.NAME, "search").send_keys("Quick FINETUNE")
    assert column(page, found, "method") == ["finetune"]
    assert "rows" in form.find_element(By.TAG_NAME, "output").text


def test_a_link_opens_what_it_leads_to_and_no_bar_covers_it(page: Any) -> None:
    page.execute_script("document.querySelectorAll('main details').forEach(fold => { fold.open = false; })")
    for link in page.find_elements(By.CSS_SELECTOR, "nav a"):
        page.execute_script("document.documentElement.style.scrollBehavior = 'auto'; arguments[0].click()", link)
        place = """const title = document.querySelector(arguments[0].hash), box = title.getBoundingClientRect();
        return [box.top - document.querySelector("nav").getBoundingClientRect().bottom, title.checkVisibility()]"""
        below, visible = page.execute_script(place, link)
        assert visible and 0 <= below < 700, link.text
        assert not page.execute_script(
            "return Boolean(document.querySelector(arguments[0].hash).closest('details:not([open])'))", link
        )


@pytest.mark.parametrize("width", [1366, 1920])
def test_on_a_laptop_nothing_scrolls_sideways(page: Any, width: int) -> None:
    emulate(page, width=width)
    page.execute_script("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    wide = "return [...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    assert page.execute_script(wide) == 0 and len(page.find_elements(By.CSS_SELECTOR, ".scroll")) >= 20


def test_the_answer_is_on_the_first_screen_of_a_laptop(page: Any) -> None:
    emulate(page, width=1366)
    for selector in (".first .verdict", ".summary", "#answers tbody .verdict"):
        box = page.find_element(By.CSS_SELECTOR, selector).rect
        assert box["x"] + box["width"] < 1366 and box["y"] + box["height"] < 768, selector


def test_many_reasons_are_folded_and_unfold(page: Any) -> None:
    emulate(page, width=1366)
    page.execute_script("document.querySelectorAll('#answers details.block').forEach(fold => { fold.open = true; })")
    folded = page.find_elements(By.CSS_SELECTOR, "#answers .reasons")
    lines = "return arguments[0].offsetHeight / parseFloat(getComputedStyle(arguments[0]).lineHeight)"
    assert folded and all(page.execute_script(lines, each) < 5.5 for each in folded)
    longest = max(folded, key=lambda each: len(each.get_attribute("textContent")))
    before = page.execute_script(lines, longest)
    to_the_middle(page, longest)
    longest.find_element(By.TAG_NAME, "summary").click()
    assert page.execute_script(lines, longest) > before


@pytest.mark.parametrize("kind", ["accuracy", "curves", "steps", "distributions", "differences"])
def test_values_on_hover_and_by_key(page: Any, kind: str) -> None:
    figure = page.find_element(By.CSS_SELECTOR, f"figure[id$={kind}]")
    values = figure.find_elements(By.CSS_SELECTOR, ".value")
    labels = labels_of(page, values)
    assert tip(page) == "" and len(values) > 2 and all(labels)
    to_the_middle(page, values[0])
    ActionChains(page).move_to_element(values[0]).perform()
    assert tip(page) in labels
    ActionChains(page).move_to_element(figure.find_element(By.TAG_NAME, "figcaption")).perform()
    assert tip(page) == ""
    page.execute_script("arguments[0].focus()", values[0])
    for key, wanted in ((Keys.ARROW_RIGHT, 1), (Keys.END, -1), (Keys.ARROW_RIGHT, -1), (Keys.HOME, 0)):
        page.switch_to.active_element.send_keys(key)
        assert tip(page) == focused(page) == labels[wanted]
    page.switch_to.active_element.send_keys(Keys.TAB)  # one stop a figure, however many values
    assert focused(page) not in labels and tip(page) == ""
    page.switch_to.active_element.send_keys(Keys.SHIFT, Keys.TAB)
    assert focused(page) == labels[0]
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert tip(page) == ""
    stir = "arguments[0].dispatchEvent(new PointerEvent('pointermove', {clientX: 1, clientY: 1}))"
    page.execute_script(stir, figure.find_element(By.CSS_SELECTOR, "svg"))  # as when the page scrolls under a pointer
    assert tip(page) == "" and focused(page) == labels[0]


def test_a_value_of_a_figure_is_that_of_the_table(page: Any) -> None:
    found = table(page, "accuracy (%)")
    means = dict(zip(column(page, found, "method"), column(page, found, "accuracy"), strict=True))
    labels = labels_of(page, page.find_elements(By.CSS_SELECTOR, "[id$=accuracy] .value"))
    assert any(label.startswith(f"maml, paper, 3 seeds: {means['maml']}; episodes + seeds ") for label in labels)


def test_the_first_key_leads_to_the_answer(page: Any) -> None:
    page.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert page.switch_to.active_element.text == "To the answer"
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert page.switch_to.active_element.get_attribute("id") == "main"


@pytest.mark.parametrize(("scheme", "ground_is_lighter"), [("light", True), ("dark", False)])
def test_light_and_dark(page: Any, scheme: str, ground_is_lighter: bool) -> None:
    emulate(page, color_scheme=scheme)
    ground = sum(colours(page, "body", "backgroundColor"))
    for selector, name in (("body", "color"), ("td", "color"), ("figure svg text", "fill")):
        difference = ground - sum(colours(page, selector, name))
        assert (difference > 0) is ground_is_lighter and abs(difference) > 400, (selector, difference)


def test_on_a_telephone_only_tables_and_figures_scroll_sideways(page: Any) -> None:
    emulate(page, width=360)
    assert page.execute_script("return document.documentElement.scrollWidth") <= 360


def test_printed(page: Any) -> None:
    emulate(page, media="print", width=700)
    for selector in ("nav", ".filters", ".skip"):
        assert not page.find_element(By.CSS_SELECTOR, selector).is_displayed()
    assert colours(page, "body", "backgroundColor") == [255, 255, 255]
    widths = page.execute_script("return [...document.querySelectorAll('table, svg')].map(e => e.offsetWidth ?? 0)")
    assert max(widths) <= 700  # nothing is cut off at the edge of the paper


def test_reduced_motion(page: Any) -> None:
    behaviour = "return getComputedStyle(document.documentElement).scrollBehavior"
    emulate(page, reduced_motion="reduce")
    assert page.execute_script(behaviour) == "auto"
    emulate(page, reduced_motion="no-preference")
    assert page.execute_script(behaviour) == "smooth"
