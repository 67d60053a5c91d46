//! A person's story in a real browser: make a key, be registered, sell, be refused, see it in the blocks, open the bill,
//! check it, see a forged one fail.

use super::{Driver, WITHIN, promised, until, value};
use crate::community::World;
use crate::program::eventually;
use fantoccini::{Client, Locator};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tokio::time::{Instant, sleep};
use units::Millis;

pub(super) const OPERATOR: &str = "house/keys/operator.key";

pub(super) async fn click(browser: &Client, css: &str) {
    let found = browser.wait().at_most(WITHIN).for_element(Locator::Css(css)).await;
    found
        .unwrap_or_else(|error| panic!("{css}: {error}"))
        .click()
        .await
        .unwrap_or_else(|error| panic!("{css}: {error}"));
}

pub(super) async fn typed(browser: &Client, css: &str, text: &str) {
    browser.wait().at_most(WITHIN).for_element(Locator::Css(css)).await.unwrap().send_keys(text).await.unwrap();
}

pub(super) async fn chosen(browser: &Client, css: &str, option: &str) {
    let select = browser.wait().at_most(WITHIN).for_element(Locator::Css(css)).await.unwrap();
    select.select_by_value(option).await.unwrap();
}

pub(super) async fn text(browser: &Client, css: &str) -> String {
    let script = format!("document.querySelector({})?.textContent ?? ''", json!(css));
    value(browser, &script).await.as_str().unwrap().to_owned()
}

/// Waits for a download with this ending.
async fn saved(folder: &Path, ending: &str) -> PathBuf {
    let deadline = Instant::now() + WITHIN;
    loop {
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        if let Some(file) = files.into_iter().find(|file| file.extension().is_some_and(|found| found == ending)) {
            return file;
        }
        assert!(Instant::now() < deadline, "a file .{ending} is saved");
        sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// Makes a key and saves copies; gives the account.
async fn make_a_key(browser: &Client, url: &str, folder: &Path) -> String {
    browser.goto(&format!("{url}/keys?lang=en")).await.unwrap();
    typed(browser, "#name", "Wang").await;
    click(browser, "#make button[type=submit]").await;
    until(browser, "the key is made", "document.querySelector('.key')?.dataset.saved === 'false'").await;
    // Without a copy it does not sign.
    browser.goto(&format!("{url}/submit?lang=en")).await.unwrap();
    until(browser, "no key can sign", "!!document.querySelector('#what a[href=\"/keys\"]')").await;
    browser.goto(&format!("{url}/keys?lang=en")).await.unwrap();
    click(browser, "[data-do=keys-public]").await;
    click(browser, "[data-do=keys-backup-plain]").await;
    until(browser, "the copy is saved", "document.querySelector('.key')?.dataset.saved === 'true'").await;
    assert!(std::fs::read_to_string(saved(folder, "key").await).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
    value(browser, "document.querySelector('.key').dataset.account").await.as_str().unwrap().to_owned()
}

/// Fills in a sale and goes through check and sign, up to the button that sends.
async fn sign_a_sale(browser: &Client, url: &str, to: &str, kwh: &str, month: &str) {
    browser.goto(&format!("{url}/submit?lang=en")).await.unwrap();
    until(browser, "the account is known", "document.querySelector('[data-add=transfer]')?.disabled === false").await;
    assert!(text(browser, "#key-note").await.contains("kWh"), "what remains is told");
    click(browser, "[data-add=transfer]").await;
    chosen(browser, "[data-act=transfer] [data-field=to]", to).await;
    typed(browser, "[data-act=transfer] [data-field=energy]", kwh).await;
    chosen(browser, "[data-act=transfer] [data-field=month]", month).await;
    click(browser, "#to-check").await;
    until(browser, "the receipt is shown", "document.querySelector('#receipt').textContent.includes('Sell')").await;
    // Without a name in the directory, an account is shown by its first letters.
    assert!(text(browser, "#receipt").await.contains(&to[..8]) && text(browser, "#signature").await.is_empty());
    click(browser, "#sign").await;
    until(browser, "it is signed", "(document.querySelector('#signature')?.textContent ?? '').length === 128").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_makes_a_key_sells_is_refused_and_checks_the_bill() {
    // Time for the sale, on a machine that is busy.
    let world = World::closing_in(Millis::from_seconds(90));
    world.register();
    let (url, month) = (world.url.clone(), world.month.to_string());
    let downloads = tempfile::tempdir().unwrap();
    let driver = Driver::start().await;
    let browser = driver.browser_that_saves(1280, 900, false, downloads.path()).await;
    let account = make_a_key(&browser, &url, downloads.path()).await;
    let public = saved(downloads.path(), "pub").await;
    let from = world.day(0);
    world.submit(OPERATOR, &["register", "key", public.to_str().unwrap(), "member", "--from", &from]).ok();
    world.submit(OPERATOR, &["contract", &account, &month, "100"]).ok();
    browser.refresh().await.unwrap();
    until(&browser, "registered", "document.querySelector('.key').textContent.includes('Registered here as: member')")
        .await;

    let lee = world.run(&["key", "show", "Lee.key", "--json"]).json()["account"].as_str().unwrap().to_owned();
    sells_and_is_refused(&world, &browser, &lee).await;
    let rows = format!("{url}/results?lang=en&account={account}&act=transfer");
    browser.goto(&rows).await.unwrap();
    assert!(text(&browser, "#rows").await.contains("20.000"), "the sale is in the blocks");
    assert!(!text(&browser, "#rows").await.contains("1,000.000"), "the refused one is not");

    eventually("the month closes", || {
        world.submit("Lee.key", &["note", "--text", "time passes"]).ok();
        (world.ask(&["status", "--json"]).json()["first_open_month"] != month.as_str()).then_some(())
    });
    bills_itself(&browser, &url).await;
    checks_the_bill(&browser, &url, &account, &month).await;
    checks_without_the_server(&driver, &world, &account, &month).await;
    let said: Vec<_> = driver.console(&browser).await.into_iter().filter(|entry| !is_meant(entry)).collect();
    assert_eq!(said, Vec::<Value>::new());
    browser.close().await.unwrap();
}

/// Chromium logs every answer of 400 and above, and advice on forms; those here are meant.
fn is_meant(entry: &Value) -> bool {
    let is_answer =
        entry["source"] == "network" && entry["message"].as_str().is_some_and(|words| words.contains("/api/v1/"));
    is_answer || entry["message"].as_str().is_some_and(|words| words.contains("[DOM]"))
}

async fn sells_and_is_refused(world: &World, browser: &Client, lee: &str) {
    let (url, month) = (world.url.as_str(), world.month.to_string());
    sign_a_sale(browser, url, lee, "20", &month).await;
    assert_eq!(world.ask(&["pool", "--json"]).json()["size"], 0, "nothing was sent yet");
    click(browser, "#send").await;
    until(browser, "the sale is final", "document.querySelector('#stages').dataset.state === 'final'").await;

    sign_a_sale(browser, url, lee, "1000", &month).await;
    click(browser, "#send").await;
    until(browser, "refused", "document.querySelector('#refusal').dataset.rule === 'energy_used_up'").await;
    let said = text(browser, "#refusal").await;
    assert!(said.contains("what remains this month does not cover it") && said.contains("1000.0 kWh"), "{said}");

    // A byte changed between signing and posting: of the energy, and of the signature.
    for from_the_end in [1, 80] {
        sign_a_sale(browser, url, lee, "5", &month).await;
        let script = "const sent = window.fetch; const at = arguments[0]; window.fetch = (address, options) => { \
             if (options?.method === 'POST') options.body[options.body.length - at] ^= 1; return sent(address, options); };";
        browser.execute(script, vec![json!(from_the_end)]).await.unwrap();
        click(browser, "#send").await;
        until(browser, "refused", "!document.querySelector('#refusal').hidden").await;
    }
    let sheet = world.ask(&["account", "Lee", &month, "--json", "--directory", "house/directory.toml"]).json();
    assert_eq!(sheet["terms"]["gained_mwh"], 20_000_000, "only the one sale was booked");
}

/// The member states the own bill, as the ledger computes it.
async fn bills_itself(browser: &Client, url: &str) {
    browser.goto(&format!("{url}/submit?lang=zh-TW")).await.unwrap();
    until(browser, "the account is known", "document.querySelector('[data-add=bill]')?.disabled === false").await;
    click(browser, "[data-add=bill]").await;
    browser.wait().at_most(WITHIN).for_element(Locator::Css("[data-act=bill] [data-field=bill]")).await.unwrap();
    click(browser, "#to-check").await;
    click(browser, "#sign").await;
    until(browser, "it is signed", "!document.querySelector('#send').hidden").await;
    click(browser, "#send").await;
    until(browser, "the bill is final", "document.querySelector('#stages').dataset.state === 'final'").await;
}

async fn checks_the_bill(browser: &Client, url: &str, account: &str, month: &str) {
    let bill = format!("{url}/accounts/{account}/{month}?lang=en");
    for seen in ["seen-first", "seen-same"] {
        browser.goto(&bill).await.unwrap();
        until(browser, seen, &format!("document.querySelector('#checkpoint-seen').dataset.seen === '{seen}'")).await;
    }
    click(browser, ".check a[href^='/verify']").await;
    until(browser, "consistent", "document.querySelector('#result').dataset.verdict === 'origin_unknown'").await;
    click(browser, "#remember").await;
    until(browser, "verified", "document.querySelector('#result').dataset.verdict === 'verified'").await;
    assert!(text(browser, "#verdict").await.contains("Verified"));
    assert!(text(browser, "#result").await.contains(account));

    // A forged one: the same bill with one bit of its total changed.
    let forge = "const answer = await fetch(`/api/v1/accounts/${argument.account}/months/${argument.month}/bill.cbor`); \
         const bytes = new Uint8Array(await answer.arrayBuffer()); bytes[bytes.length >> 1] ^= 1; \
         const files = new DataTransfer(); files.items.add(new File([bytes], 'forged.cbor')); \
         const input = document.getElementById('file'); input.files = files.files; \
         input.dispatchEvent(new Event('change')); return true;";
    promised(browser, forge, json!({ "account": account, "month": month })).await;
    until(browser, "wrong", "document.querySelector('#result').dataset.verdict === 'failed'").await;
    assert!(text(browser, "#verdict").await.contains("Wrong") && !text(browser, "#result").await.contains("Total"));

    // A past that was rewritten: this browser has seen another root of the same size.
    let rewrite = "const seen = JSON.parse(localStorage.getItem('wattproof.checkpoint')); \
         const lines = seen.note.split('\\n'); lines[2] = 'A'.repeat(43) + '='; \
         localStorage.setItem('wattproof.checkpoint', JSON.stringify({ ...seen, note: lines.join('\\n') })); return true;";
    promised(browser, rewrite, Value::Null).await;
    browser.goto(&bill).await.unwrap();
    until(browser, "rewritten", "document.querySelector('#checkpoint-seen').dataset.seen === 'seen-rewritten'").await;
}

/// `verify.html` from a disk, by a browser that never saw the server.
async fn checks_without_the_server(driver: &Driver, world: &World, account: &str, month: &str) {
    let page = world.path().join("verify.html");
    std::fs::write(&page, crate::community::get_text(&format!("{}/verify.html", world.url))).unwrap();
    world.run(&["export", "--out", "own-bill.cbor", "--node", &world.url, "bill", account, month]).ok();
    let bill = world.path().join("own-bill.cbor");
    let bytes = std::fs::read(&bill).unwrap();
    let mut changed = bytes.clone();
    changed[bytes.len() / 3] ^= 4;
    let forged = world.path().join("forged-bill.cbor");
    std::fs::write(&forged, changed).unwrap();

    let browser = driver.browser(390, 844, true).await;
    browser.goto(&format!("file://{}", page.display())).await.unwrap();
    for (file, verdict) in [(&bill, "origin_unknown"), (&forged, "failed")] {
        let input = browser.find(Locator::Css("#file")).await.unwrap();
        input.send_keys(file.to_str().unwrap()).await.unwrap();
        until(&browser, verdict, &format!("document.querySelector('#result').dataset.verdict === '{verdict}'")).await;
    }
    for lang in ["zh-TW", "en"] {
        click(&browser, &format!("#languages [lang='{lang}']")).await;
        assert_eq!(value(&browser, "document.documentElement.lang").await, lang);
    }
    assert!(text(&browser, "#verdict").await.contains("Wrong"));
    assert_eq!(driver.console(&browser).await, Vec::<Value>::new());
    browser.close().await.unwrap();
}
