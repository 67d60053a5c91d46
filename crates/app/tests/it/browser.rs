//! The pages in a real browser: Chromium through its WebDriver, over the demo's community. A machine without Chromium
//! and chromedriver fails these tests; it does not skip them.

mod axe;
mod lab;
mod operator;
mod story;
mod verifier;

use crate::program::Running;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// Longest wait for something that a page does by itself; the machine may be busy.
const WITHIN: Duration = Duration::from_secs(60);

/// A chromedriver of the test's own.
struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("chromedriver").arg(format!("--port={port}")).stdout(Stdio::null()).spawn();
        let driver = Self { child: child.expect("chromedriver is installed"), port };
        let deadline = Instant::now() + WITHIN;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(Instant::now() < deadline, "chromedriver does not listen");
            sleep(Duration::from_millis(50)).await;
        }
        driver
    }

    async fn browser(&self, width: u32, height: u32, is_phone: bool) -> Client {
        self.browser_that_saves(width, height, is_phone, &std::env::temp_dir()).await
    }

    /// One whose downloads go to a folder.
    async fn browser_that_saves(&self, width: u32, height: u32, is_phone: bool, folder: &Path) -> Client {
        let window = format!("--window-size={width},{height}");
        let mut options = json!({ "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", window,
        ], "prefs": { "download.default_directory": folder } });
        if is_phone {
            let metrics = json!({ "width": width, "height": height, "pixelRatio": 2, "touch": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        let wanted = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let Value::Object(wanted) = wanted else { unreachable!("it is written as an object") };
        let address = format!("http://127.0.0.1:{}", self.port);
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(wanted).connect(&address).await.expect("Chromium is installed")
    }

    /// What the browser's console says.
    async fn console(&self, browser: &Client) -> Vec<Value> {
        let said = self.command(browser, "se/log", json!({ "type": "browser" })).await;
        serde_json::from_value(said).unwrap()
    }

    /// Shows pages on a screen of this size, in light or dark, without loading them again.
    async fn screen(&self, browser: &Client, (width, height): (u32, u32), is_phone: bool, theme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone });
        self.devtools(browser, "Emulation.setDeviceMetricsOverride", size).await;
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.devtools(browser, "Emulation.setEmulatedMedia", features).await;
    }

    /// A command of the browser's developer tools.
    async fn devtools(&self, browser: &Client, name: &str, parameters: Value) -> Value {
        self.command(browser, "goog/cdp/execute", json!({ "cmd": name, "params": parameters })).await
    }

    /// A command of Chromium's that the WebDriver standard does not have.
    async fn command(&self, browser: &Client, path: &str, body: Value) -> Value {
        let session = browser.session_id().await.unwrap().unwrap();
        let body = body.to_string();
        let request = format!(
            "POST /session/{session}/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer: Value = serde_json::from_slice(&body_of(BufReader::new(stream)).await).unwrap();
        let said = answer["value"].take();
        assert!(said.get("error").is_none(), "{path}: {said}");
        said
    }
}

/// The body of an answer that states its length; chromedriver keeps the connection open.
async fn body_of(mut stream: BufReader<TcpStream>) -> Vec<u8> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        match line.trim().to_ascii_lowercase().split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().unwrap(),
            Some(_) => {}
            None if line.trim().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    body
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The demo's community and its address.
fn demo(folder: &tempfile::TempDir) -> (Running, String) {
    let running = Running::start(folder.path(), &["demo", "--data", "d", "--http", "127.0.0.1:0"]);
    let line = running.line_with("http://");
    let address = line[line.find("http://").unwrap()..].trim_end_matches(['/', '.']).to_owned();
    (running, address)
}

async fn value(browser: &Client, script: &str) -> Value {
    browser.execute(&format!("return {script}"), Vec::new()).await.unwrap()
}

/// What a script's promise gives. `work` is the body of an async function; `argument` is its one argument.
async fn promised(browser: &Client, work: &str, argument: Value) -> Value {
    let script = format!(
        "const [argument, done] = arguments; \
         (async (argument) => {{ {work} }})(argument).then((found) => done([found]), (error) => done(String(error.stack)))"
    );
    match browser.execute_async(&script, vec![argument]).await.unwrap() {
        Value::Array(found) => found.into_iter().next().unwrap(),
        error => panic!("{error}"),
    }
}

/// Waits until a script's value is true.
async fn until(browser: &Client, what: &str, script: &str) {
    let deadline = Instant::now() + WITHIN;
    while value(browser, script).await != Value::Bool(true) {
        assert!(Instant::now() < deadline, "{what}: {script}");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn wait_for_booked_readings(browser: &Client, address: &str) {
    browser.goto(&format!("{address}/meters")).await.unwrap();
    let deadline = Instant::now() + WITHIN;
    while browser.find(Locator::Css("table.dense tbody tr:nth-child(3)")).await.is_err() {
        assert!(Instant::now() < deadline, "readings are booked");
        sleep(Duration::from_secs(1)).await;
        browser.refresh().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_speaks_both_languages_and_logs_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let (_demo, address) = demo(&folder);
    let driver = Driver::start().await;
    for (width, height, is_phone) in [(1280, 900, false), (390, 844, true)] {
        let browser = driver.browser(width, height, is_phone).await;
        wait_for_booked_readings(&browser, &address).await;
        browser.goto(&format!("{address}/accounts")).await.unwrap();
        let account = browser.find(Locator::Css("main tbody a")).await.unwrap().attr("href").await.unwrap().unwrap();
        let pages = ["/", "/meters", "/chain", "/blocks/0", "/blocks/1", "/lab", "/accounts", &account];
        for path in pages.into_iter().chain(["/submit", "/keys", "/results", "/verify"]) {
            for lang in ["zh-TW", "en"] {
                browser.goto(&format!("{address}{path}?lang={lang}")).await.unwrap();
                let shown = value(&browser, "document.documentElement.lang").await;
                assert_eq!(shown, lang, "{path}");
                let is_wider = value(&browser, "document.documentElement.scrollWidth > innerWidth").await;
                assert_eq!(is_wider, false, "{path} in {lang} scrolls sideways at {width}");
                let labelled = "[...document.querySelectorAll('a, button, svg[role=img]')].every(e => \
                    (e.textContent + (e.getAttribute('aria-label') ?? '')).trim() !== '')";
                assert_eq!(value(&browser, labelled).await, true, "{path}: something has no name");
            }
        }
        assert_eq!(driver.console(&browser).await, Vec::<Value>::new());
        browser.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_values_and_new_blocks_come_without_a_reload_and_a_lost_connection_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (demo, address) = demo(&folder);
    let driver = Driver::start().await;
    let browser = driver.browser(1280, 900, false).await;
    browser.goto(&format!("{address}/?lang=en")).await.unwrap();
    browser.execute("window.stayed = true", Vec::new()).await.unwrap();
    until(&browser, "connected", "!!document.querySelector('.rail [data-state=open]')").await;
    let counter = "document.querySelector('[data-meter] [data-age]').dataset.at";
    until(&browser, "a live value", &format!("{counter} !== undefined")).await;
    until(
        &browser,
        "a live power",
        "/^[0-9,]+\\.[0-9]$/.test(document.querySelector('[data-q=active_power_mw]').textContent)",
    )
    .await;
    assert_eq!(value(&browser, "window.stayed").await, true);

    wait_for_booked_readings(&browser, &address).await;
    until(&browser, "the chart is drawn", "!!document.querySelector('.chart canvas')").await;

    browser.goto(&format!("{address}/chain?lang=en")).await.unwrap();
    let height = value(&browser, "Number(document.querySelector('#chain > li').dataset.height)").await;
    until(
        &browser,
        "a new block slides in",
        &format!("document.querySelector('#chain > li.arriving')?.dataset.height > {height}"),
    )
    .await;
    assert_eq!(driver.console(&browser).await, Vec::<Value>::new());

    drop(demo);
    until(&browser, "the loss is shown", "!document.getElementById('offline').hidden").await;
    browser.close().await.unwrap();
}
