//! Whether everybody can use the pages: the rules of axe-core over every page of the route table, as operator and as
//! member, on a desktop and on a phone, light and dark; and the frame by keyboard alone.

use super::{Driver, demo, promised, until, value, wait_for_booked_readings};
use crate::program::Running;
use fantoccini::key::Key;
use fantoccini::{Client, Locator};
use serde_json::json;

/// axe-core 4.14.1 (MPL 2.0), see `tests/vendor/README.md`.
const AXE: &str = include_str!("../../vendor/axe-core/axe.min.js");
/// The table that the routes' own test holds complete: method, path, and what five callers are answered.
const ROUTES: &str = include_str!("../../../src/web/tests/access.rs");
const DESKTOP: (u32, u32) = (1280, 900);
const PHONE: (u32, u32) = (390, 844);

/// A page of the table, with its parameters still in braces.
struct Page {
    path: &'static str,
    is_members: bool,
}

/// Every route that shows a page by itself. What others are shown is not: files, the interface for programs, and paths
/// that only lead on.
fn pages() -> Vec<Page> {
    let table = ROUTES.split_once("const EXPECTED: &str = \"").unwrap().1.split_once("\";").unwrap().0;
    let mut pages = Vec::new();
    for line in table.lines().filter_map(|line| line.strip_prefix("GET ")) {
        let words: Vec<&'static str> = line.split_whitespace().collect();
        let (path, answers) = (words[0], &words[1..]);
        let is_file = ["/api/", "/assets/", "/m/", "/metrics", "/healthz", "/checkpoint", "/verify.html"];
        let leads_on = answers.iter().any(|answer| answer.starts_with("30"));
        if !leads_on && !is_file.iter().any(|start| path.starts_with(start)) {
            pages.push(Page { path, is_members: answers[2] == "200" });
        }
    }
    assert!(pages.len() > 15, "{} pages in the table", pages.len());
    pages
}

/// What the paths name: things of the demo's.
fn filled(path: &str, account: &str, month: &str, statement: &str) -> String {
    let meter = if path.starts_with("/loads") { "TW-102" } else { "TW-101" };
    let filled = path.replace("{meter}", meter).replace("{account}", account).replace("{month}", month);
    let filled = filled.replace("{block}", "1").replace("{form}", "member").replace("{id}", statement);
    assert!(!filled.contains('{'), "{path}: say here what it names");
    // The page of a switching has to know which way.
    if path.ends_with("/switch") { filled + "?state=off" } else { filled }
}

/// What the rules find wrong: rule, place, reason. With `only` one rule alone.
async fn found(browser: &Client, only: Option<&str>) -> Vec<String> {
    let wanted = match only {
        Some(rule) => json!({ "type": "rule", "values": [rule] }),
        None => {
            json!({ "type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })
        }
    };
    let work = "const { violations } = await axe.run(document, { resultTypes: ['violations'], runOnly: argument }); \
         return violations.flatMap(({ id, nodes }) => nodes.map((node) => \
           `${id} at ${node.target.join(' ')}: ${node.html.slice(0, 160)} ${node.failureSummary}`));";
    let said = promised(browser, work, wanted).await;
    said.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

/// Opens a page, which must be there.
async fn open(browser: &Client, url: &str) {
    browser.goto(url).await.unwrap();
    let status = value(browser, "performance.getEntriesByType('navigation')[0].responseStatus").await;
    assert_eq!(status, 200, "{url}");
}

async fn browser_with_axe(driver: &Driver) -> Client {
    let browser = driver.browser(DESKTOP.0, DESKTOP.1, false).await;
    driver.devtools(&browser, "Page.addScriptToEvaluateOnNewDocument", json!({ "source": AXE })).await;
    browser
}

/// Everything that the rules find on a page: all of them on a desktop in the one theme and on a phone in the other, and
/// the contrast of colours in the other two, which is all that a theme changes.
async fn looked_at(driver: &Driver, browser: &Client, url: &str, themes: [&str; 2]) -> Vec<String> {
    let mut wrong = Vec::new();
    open(browser, url).await;
    for (size, is_phone, themes) in [(DESKTOP, false, themes), (PHONE, true, [themes[1], themes[0]])] {
        for (theme, only) in themes.into_iter().zip([None, Some("color-contrast")]) {
            driver.screen(browser, size, is_phone, theme).await;
            let found = found(browser, only).await;
            wrong.extend(found.into_iter().map(|one| format!("{url}, {theme}, {} wide: {one}", size.0)));
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_wrong_with_any_page_for_operator_or_member() {
    let folder = tempfile::tempdir().unwrap();
    let (_demo, address): (Running, String) = demo(&folder);
    let driver = Driver::start().await;
    let browser = browser_with_axe(&driver).await;
    wait_for_booked_readings(&browser, &address).await;
    let link = crate::program::run(folder.path(), &["member", "link", "Chen", "--data", "d", "--url", &address]).ok();
    browser.goto(&format!("{address}/accounts")).await.unwrap();
    let href = browser.find(Locator::Css("main tbody a")).await.unwrap().attr("href").await.unwrap().unwrap();
    // A link to an account leads to a month of it, or names one.
    browser.goto(&format!("{address}{href}")).await.unwrap();
    let url = browser.current_url().await.unwrap();
    let mut parts = url.path_segments().unwrap().skip(1);
    let (account, month) = (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned());

    let statement = "return (await (await fetch('/api/v1/blocks/1')).json()).statements[0].id";
    let statement = promised(&browser, statement, json!(null)).await.as_str().unwrap().to_owned();

    let mut wrong = Vec::new();
    for (lang, is_member, themes) in [("zh-TW", false, ["light", "dark"]), ("en", true, ["dark", "light"])] {
        if is_member {
            browser.goto(link.lines().next().unwrap()).await.unwrap();
        }
        for page in pages().iter().filter(|page| page.is_members || !is_member) {
            let path = filled(page.path, &account, &month, &statement);
            let joint = if path.contains('?') { '&' } else { '?' };
            wrong.extend(looked_at(&driver, &browser, &format!("{address}{path}{joint}lang={lang}"), themes).await);
        }
        // What lies over the page.
        browser.execute("document.querySelector('.more').open = true", Vec::new()).await.unwrap();
        wrong.extend(found(&browser, None).await);
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    browser.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_on_purpose_is_found_and_the_frame_works_by_keyboard() {
    let folder = tempfile::tempdir().unwrap();
    let (_demo, address): (Running, String) = demo(&folder);
    let driver = Driver::start().await;
    let browser = browser_with_axe(&driver).await;
    open(&browser, &format!("{address}/verify?lang=en")).await;
    assert_eq!(found(&browser, None).await, Vec::<String>::new());
    let plant = "const main = document.querySelector('main'); const faint = document.createElement('p'); \
         faint.textContent = 'faint'; faint.style.color = '#ccc'; faint.style.background = '#fff'; \
         main.append(faint, document.createElement('button'), document.createElement('img')); main.lang = 'xx-none-such';";
    browser.execute(plant, Vec::new()).await.unwrap();
    let wrong = found(&browser, None).await;
    for rule in ["color-contrast", "button-name", "image-alt", "valid-lang"] {
        assert!(wrong.iter().any(|one| one.starts_with(rule)), "{rule} is not found: {wrong:?}");
    }

    open(&browser, &format!("{address}/?lang=en")).await;
    by_keyboard(&browser).await;
    driver.screen(&browser, PHONE, true, "light").await;
    browser.execute("document.querySelector('.more summary').focus()", Vec::new()).await.unwrap();
    press(&browser, Key::Enter).await;
    until(&browser, "the menu opens", "document.querySelector('.more').open").await;
    press(&browser, Key::Escape).await;
    until(&browser, "the menu closes", "!document.querySelector('.more').open").await;
    assert_eq!(value(&browser, "document.activeElement.tagName").await, "SUMMARY", "and the focus is where it was");
    browser.close().await.unwrap();
}

async fn press(browser: &Client, key: Key) {
    let at = browser.active_element().await.unwrap();
    at.send_keys(&char::from(key).to_string()).await.unwrap();
}

/// Along the first stops of the tab key: the way past the navigation comes first, and every stop is seen.
async fn by_keyboard(browser: &Client) {
    let name =
        "(document.activeElement.textContent + (document.activeElement.getAttribute('aria-label') ?? '')).trim()";
    for stop in 0..25 {
        press(browser, Key::Tab).await;
        let seen = "(() => { const style = getComputedStyle(document.activeElement); const box = \
             document.activeElement.getBoundingClientRect(); return style.outlineStyle !== 'none' && box.width > 8 && box.height > 8; })()";
        assert_eq!(value(browser, seen).await, true, "stop {stop}, {}", value(browser, name).await);
        if stop == 0 {
            assert_eq!(value(browser, name).await, "Skip to the content");
        }
    }
    browser.execute("document.querySelector('.skip').focus()", Vec::new()).await.unwrap();
    press(browser, Key::Enter).await;
    assert_eq!(value(browser, "document.activeElement.id").await, "main");
}
