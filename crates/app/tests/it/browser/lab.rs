//! The lab in a real browser: its hashes, nonces and repairs against the program's.

use super::{Driver, demo, promised, until, value};
use crate::community::get_text;
use crate::program::{self, eventually};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The hash that the lab shows for a text.
fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lab_hashes_mines_and_repairs_as_the_program_does() {
    let folder = tempfile::tempdir().unwrap();
    let (_demo, address) = demo(&folder);
    let driver = Driver::start().await;
    eventually("six final blocks", || {
        let status: Value = serde_json::from_str(&get_text(&format!("{address}/api/v1/status"))).unwrap();
        status["final_height"].as_u64().filter(|height| *height >= 6)
    });
    for (width, height, is_phone, lang) in [(1280, 900, false, "zh-TW"), (390, 844, true, "en")] {
        let browser = driver.browser(width, height, is_phone).await;
        browser.goto(&format!("{address}/lab?lang={lang}")).await.unwrap();

        // By hand: the very bytes that are said, and a search that ends at the first nonce with enough zeros.
        let typed = "for (const [name, text] of Object.entries(argument)) { \
            const field = document.getElementById('hand').elements[name]; field.value = text; \
            field.dispatchEvent(new Event('input', { bubbles: true })); } \
            return document.getElementById('hand-hash').textContent";
        let fields = json!({ "data": "Chen 用電 12.3 度", "previous": "00ab", "nonce": "41" });
        assert_eq!(promised(&browser, typed, fields).await, hash("Chen 用電 12.3 度|00ab|41"));
        let expected = (42..).find(|nonce| hash(&format!("Chen 用電 12.3 度|00ab|{nonce}")).starts_with("00")).unwrap();
        browser.execute("document.getElementById('hand-find').click()", Vec::new()).await.unwrap();
        until(
            &browser,
            "a hash with two zeros",
            "document.querySelector('#hand-hash .zeros')?.textContent.startsWith('00') === true",
        )
        .await;
        assert_eq!(value(&browser, "document.getElementById('hand').elements.nonce.value").await, expected.to_string());

        // A real block comes out as recorded, and with one digit more in its nonce does not.
        until(&browser, "a real block", "!!document.querySelector('#block-bytes .pill.final')").await;
        let pills = "[...document.querySelectorAll('#block-bytes .pill.bad')].length > 0";
        assert_eq!(value(&browser, pills).await, false);
        let other_nonce = "const field = document.getElementById('block-nonce'); field.value += argument; \
            field.dispatchEvent(new Event('input')); return null";
        promised(&browser, other_nonce, json!("1")).await;
        assert_eq!(value(&browser, pills).await, true);

        // The experiment finds the program's nonces.
        let run = "const form = document.getElementById('experiment'); form.elements.seed.value = argument; \
            form.querySelector('[value=\"4\"]').checked = false; form.requestSubmit(); return null";
        promised(&browser, run, json!("17")).await;
        until(&browser, "the experiment ends", "document.getElementById('experiment-csv').hidden === false").await;
        let shown =
            "[...document.querySelectorAll('#experiment-table tr')].slice(0, 3).map((row) => row.cells[2].textContent)";
        assert_eq!(value(&browser, shown).await, programs_means(folder.path(), "17"));

        // One digit in a copy: every later hash is wrong, the other copies put it right, and no node has noticed.
        until(&browser, "copies", "document.querySelectorAll('[data-copy-row]').length === 3").await;
        browser.execute("document.getElementById('digit-1-1-2').click()", Vec::new()).await.unwrap();
        let wrong =
            "[...document.querySelectorAll('[data-copy-row]')].map((row) => row.querySelectorAll('li.wrong').length)";
        assert_eq!(value(&browser, wrong).await, json!([0, 4, 0]));
        browser.execute("document.getElementById('lab-ask-peers-1').click()", Vec::new()).await.unwrap();
        until(&browser, "repaired", &format!("({wrong}).join() === '0,0,0'")).await;

        // Two copies that were changed at the same block leave the third to help; three leave nobody.
        for copy in 0..3 {
            let click = format!("document.getElementById('digit-{copy}-4-0').click()");
            browser.execute(&click, Vec::new()).await.unwrap();
        }
        browser.execute("document.getElementById('lab-ask-peers-0').click()", Vec::new()).await.unwrap();
        until(
            &browser,
            "nobody can help",
            "document.querySelector('[data-copy-row] .buttons .main')?.disabled === false",
        )
        .await;
        assert_eq!(value(&browser, wrong).await, json!([1, 1, 1]));

        let is_wider = value(&browser, "document.documentElement.scrollWidth > innerWidth").await;
        assert_eq!(is_wider, false, "the lab scrolls sideways at {width}");
        assert_eq!(driver.console(&browser).await, Vec::<Value>::new());
        browser.close().await.unwrap();
    }
}

/// Means of the levels 1 to 3 as the lab writes them, from the program's own search.
fn programs_means(folder: &std::path::Path, seed: &str) -> Value {
    let command = ["experiment", "difficulty", "--levels", "1-3", "--runs", "50", "--seed", seed, "--json"];
    let report = program::run(folder, &command).json();
    let means = report["levels"].as_array().unwrap().iter().map(|level| level["mean_nonce"].as_f64().unwrap());
    means
        .map(|mean| {
            if mean < 1000.0 {
                return format!("{mean:.2}");
            }
            let whole = format!("{mean:.0}");
            let (thousands, rest) = whole.split_at(whole.len() - 3);
            format!("{thousands},{rest}")
        })
        .collect()
}
