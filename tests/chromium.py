"""Debian's Chromium, driven by Playwright, for the tests of pages."""

import contextlib
import shutil

from playwright.sync_api import sync_playwright

# Nothing is looked up elsewhere, and a container's root may start it.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextlib.contextmanager
def started():
    """A browser without a window."""
    found = shutil.which("chromium")
    assert found, "the tests of pages need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield browser
        browser.close()


NAMELESS = "all => all.filter(e => !e.ariaLabel && !e.getAttribute('aria-labelledby')).map(e => e.outerHTML)"
# Contrast below 4.5 : 1 (WCAG 2.2, 1.4.3) of what is visible and has text of its own on a plain ground.
FAINT = """all => {
  const parse = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
  const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (c.startsWith('rgb') && (parse(c)[3] ?? 1) === 1) return parse(c);
    }
    return [255, 255, 255];
  };
  return all.filter(e => e.checkVisibility() && e.innerText.trim()).map(e => {
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), e.outerHTML];
  }).filter(([ratio]) => ratio < 4.5);
}"""


def faults(page):
    """What of a page cannot be reached or read: what is cut off at its width, has no name, or is too faint."""
    found = [] if page.evaluate("document.documentElement.scrollWidth <= innerWidth") else ["wider than the window"]
    found += [f"no {mark}" for mark in ("header", "main", "h1, h2") if not page.locator(mark).first.is_visible()]
    found += page.eval_on_selector_all("section, aside, nav, [role=group]", NAMELESS)
    return found + page.eval_on_selector_all("button, h1, h2, h3, p, a, dt, dd, li, td, th, summary", FAINT)
