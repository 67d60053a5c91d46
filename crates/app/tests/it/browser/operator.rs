//! The operator's story in a real browser, in Chinese: set a password, log in, switch a load by holding the button and see
//! the current fall, register a member, mine by hand at level 3, find a row that somebody changed.

use super::story::{chosen, click, text, typed};
use super::{Driver, until, value};
use crate::community::World;
use crate::load::relay_and_gateway;
use fantoccini::actions::{InputSource as _, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
use fantoccini::{Client, Locator};
use serde_json::Value;
use std::time::Duration;
use units::Millis;

const PASSWORD: &str = "a window with a view";

/// Sets the password with the code that the program has written down, and goes out again.
async fn sets_a_password(world: &World, browser: &Client, url: &str) {
    browser.goto(&format!("{url}/members?lang=zh-TW")).await.unwrap();
    assert!(text(browser, "main").await.contains("管理者"), "it says whose this page is");
    let code = std::fs::read_to_string(world.path().join("house/access/setup-code")).unwrap();
    browser.goto(&format!("{url}/setup")).await.unwrap();
    typed(browser, "#code", code.trim()).await;
    typed(browser, "#password", PASSWORD).await;
    typed(browser, "#again", PASSWORD).await;
    click(browser, "form.card button[type=submit]").await;
    until(browser, "logged in at once", "!!document.querySelector('.rail .who button')").await;
    click(browser, ".rail .who button").await;
    until(browser, "logged out", "!!document.querySelector('.rail .who a')").await;
}

/// Chromium logs every answer of 400 and above; that this page, a wrong password and a form without a name are refused is
/// part of the story.
fn is_refusal(entry: &Value) -> bool {
    let said = entry["message"].as_str().unwrap_or_default();
    let refused = |place: &str, status: &str| said.contains(place) && said.contains(&format!("status of {status}"));
    refused("/members?", "403") || refused("/login ", "403") || refused("/desk/member ", "422")
}

/// Logs in, from the page that was asked for and back to it.
async fn logs_in(browser: &Client, url: &str, path: &str) {
    browser.goto(&format!("{url}{path}?lang=zh-TW")).await.unwrap();
    click(browser, ".rail .who a").await;
    for password in ["a window with no view", PASSWORD] {
        browser.wait().for_element(Locator::Css("#password")).await.unwrap();
        typed(browser, "#password", password).await;
        click(browser, "form.card button[type=submit]").await;
        if password != PASSWORD {
            until(browser, "refused", "!!document.querySelector('.notice.bad')").await;
        }
    }
    until(browser, "logged in", "!!document.querySelector('.rail .who button')").await;
    assert_eq!(value(browser, "location.pathname").await, path, "back where the operator wanted to be");
}

async fn held(browser: &Client, css: &str, time: Duration) {
    let button = browser.wait().for_element(Locator::Css(css)).await.unwrap();
    let actions = MouseActions::new("mouse".to_owned())
        .then(PointerAction::MoveToElement { element: button, duration: None, x: 0.0, y: 0.0 })
        .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT })
        .pause(time)
        .then(PointerAction::Up { button: MOUSE_BUTTON_LEFT });
    browser.perform_actions(actions).await.unwrap();
}

/// The current that the load's card shows, in amperes.
const CURRENT: &str = "Number(document.querySelector('#load-A-102 .facts div:nth-child(2) dd').firstChild.textContent)";

async fn switches_a_load(browser: &Client, url: &str) {
    browser.goto(&format!("{url}/loads?lang=zh-TW")).await.unwrap();
    until(browser, "a current flows", &format!("{CURRENT} > 0.05")).await;
    click(browser, "#load-A-102 a[href$='state=off']").await;
    typed(browser, "#why", "檢修").await;
    // A press in passing switches nothing.
    held(browser, "button[data-hold]", Duration::from_millis(50)).await;
    assert!(value(browser, "location.pathname").await.as_str().unwrap().ends_with("/switch"));
    held(browser, "button[data-hold]", Duration::from_millis(1_500)).await;
    until(browser, "switched off", "!!document.querySelector('#load-A-102 .load-state.off')").await;
    until(browser, "the current falls", &format!("{CURRENT} === 0")).await;
    assert!(text(browser, "#journal").await.contains("檢修"), "the journal tells why");
    until(
        browser,
        "the page shows that it is live",
        "document.querySelector('.rail [data-link-state]').dataset.state === 'open'",
    )
    .await;
    assert_eq!(value(browser, "document.getElementById('offline').hidden").await, true);
}

/// From here on blocks are made by hand alone.
async fn turns_mining_off(browser: &Client, url: &str) {
    browser.goto(&format!("{url}/pool?lang=zh-TW")).await.unwrap();
    assert_eq!(value(browser, "document.querySelector('[name=order][value=by_hand]') !== null").await, true);
    click(browser, "form:has([value=by_hand]) button").await;
    until(browser, "by hand", "!!document.querySelector('[name=order][value=automatic]')").await;
}

/// Through the page; a mistake is shown at its field, and nothing that was typed is lost.
async fn registers_a_member(browser: &Client, url: &str) {
    browser.goto(&format!("{url}/desk/member?lang=zh-TW")).await.unwrap();
    typed(browser, "#f-room", "201").await;
    typed(browser, "#f-energy", "120").await;
    chosen(browser, "#f-key_kind", "here").await;
    click(browser, "button[value=check]").await;
    until(browser, "the name is missed", "document.querySelector('#f-name')?.getAttribute('aria-invalid') === 'true'")
        .await;
    assert_eq!(value(browser, "document.querySelector('#f-energy').value").await, "120", "what was typed stays");
    typed(browser, "#f-name", "王小明").await;
    click(browser, "button[value=check]").await;
    until(browser, "the receipt", "!!document.querySelector('button[value=sign]')").await;
    let receipt = text(browser, "dl.fields").await;
    assert!(receipt.contains("120"), "what is signed is shown before: {receipt}");
    click(browser, "button[value=sign]").await;
    until(browser, "it waits", "location.pathname.startsWith('/statements/')").await;
    assert_eq!(value(browser, "document.querySelectorAll('.progress .done').length < 4").await, true, "no block yet");
}

async fn mines_by_hand(world: &World, browser: &Client, url: &str) {
    let height = || world.ask(&["status", "--json"]).json()["height"].as_u64().unwrap();
    let before = height();
    browser.goto(&format!("{url}/pool?lang=zh-TW")).await.unwrap();
    assert!(text(browser, "#pool .waiting").await.contains("登記"), "the registration waits");
    assert_eq!(height(), before, "nothing is mined by itself");
    click(browser, "form:has([value=mine_now]) button").await;
    until(browser, "mined", "!!document.querySelector('#pool .empty')").await;
    assert_eq!(height(), before + 1);
    browser.goto(&format!("{url}/chain?lang=zh-TW")).await.unwrap();
    let zeros = text(browser, "#chain > li:first-child .zeros").await;
    assert!(zeros.starts_with("000"), "the hash of a block of level 3: {zeros}");
    browser.goto(&format!("{url}/members?lang=zh-TW")).await.unwrap();
    assert!(text(browser, "main").await.contains("王小明"), "the member is one now");
}

/// Somebody changes a computed row while the node does not run; the page of the nodes tells.
async fn finds_a_changed_row(world: &mut World, browser: &Client) {
    world.stop_node();
    let tables = rusqlite::Connection::open(world.path().join("house/node/tables.sqlite")).unwrap();
    assert!(tables.execute("UPDATE blocks SET reward_mwh = reward_mwh + 5000000 WHERE height = 1", []).unwrap() > 0);
    drop(tables);
    world.start_node();
    let url = world.url.clone();
    logs_in(browser, &url, "/peers").await;
    until(browser, "it is found", "document.querySelector('[aria-labelledby=findings-head] tbody tr') !== null").await;
    let told = text(browser, "[aria-labelledby=findings-head]").await;
    assert!(told.contains("計算出的值"), "what was changed: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_switches_a_load_registers_mines_by_hand_and_finds_a_changed_row() {
    let mut world = World::founded(&["--level", "3"], "", Millis::from_minutes(60));
    world.register();
    let (_simulation, meters, gateway) = relay_and_gateway(&world);
    let url = world.url.clone();
    let driver = Driver::start().await;
    let browser = driver.browser(1280, 900, false).await;
    sets_a_password(&world, &browser, &url).await;
    logs_in(&browser, &url, "/members").await;
    // Beside the node's settings a gateway has the same password; a session is each program's own.
    logs_in(&browser, &gateway, "/loads").await;
    switches_a_load(&browser, &gateway).await;
    assert_eq!(meters.stop(), 0);
    browser.goto(&format!("{url}/members?lang=zh-TW")).await.unwrap();
    until(&browser, "still logged in at the node", "!!document.querySelector('.rail .who button')").await;
    turns_mining_off(&browser, &url).await;
    registers_a_member(&browser, &url).await;
    mines_by_hand(&world, &browser, &url).await;
    let said: Vec<_> = driver.console(&browser).await.into_iter().filter(|entry| !is_refusal(entry)).collect();
    assert_eq!(said, Vec::<Value>::new());
    finds_a_changed_row(&mut world, &browser).await;
    browser.close().await.unwrap();
}
