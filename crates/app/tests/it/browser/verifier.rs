//! The browser's verifier against the program's: two implementations of one protocol, in two languages, must say the same
//! of every file. And what the browser signs must verify here.

use super::{Driver, promised};
use crate::community::World;
use fantoccini::Client;
use ledger::attachment::Frame;
use ledger::verify::{Outcome, verify};
use ledger::{PublicKey, SignedStatement};
use meter::{Address, Options, Profile, Replay, SimulatedMeter};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use units::{Energy, Frequency, Millis, Timestamp};

/// Flipped copies of a bill that the browser looks at, and as many at once; with `WATTPROOF_LONG` every byte is flipped.
const FLIPS: usize = 250;

/// The exports that the ledger's tests leave for verifiers that share no code with it; made if they are not there.
fn exports() -> Vec<PathBuf> {
    let shelf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign");
    // Once, since tests run side by side and one must not read what another still writes.
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        if !shelf.join("scenarios").is_dir() {
            let made = Command::new(env!("CARGO"))
                .args(["test", "--quiet", "--release", "--locked", "-p", "ledger", "--test", "it"])
                .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
                .status();
            assert!(made.unwrap().success(), "the ledger's tests leave the exports");
        }
    });
    let mut files = Vec::new();
    for folder in std::fs::read_dir(shelf).unwrap() {
        files.extend(std::fs::read_dir(folder.unwrap().path()).unwrap().map(|file| file.unwrap().path()));
    }
    // Proofs of absence and of growth are files of the tests alone.
    files.retain(|file| !matches!(extension(file), "absence" | "growth"));
    files.sort();
    files
}

fn extension(file: &Path) -> &str {
    file.extension().unwrap().to_str().unwrap()
}

/// As the ledger's tests make frames: one answer of an im1281b from register 0x48 on.
fn read_frame(_: &str, frame: &Frame) -> Result<Energy, String> {
    let counter = frame.exchanges[0].response.get(15..19).and_then(|bytes| bytes.try_into().ok());
    Ok(Energy::from_mwh(u64::from(u32::from_be_bytes(counter.ok_or("no counter")?)) * 100))
}

/// The verdict, and the worst outcome of each layer of a file that is not wrong.
fn said_here(bytes: &[u8]) -> Value {
    let report = verify(bytes, None, &read_frame);
    let mut layers: BTreeMap<&str, Outcome> = BTreeMap::new();
    for finding in &report.findings {
        let worst = layers.entry(finding.layer.name()).or_insert(finding.outcome);
        *worst = (*worst).max(finding.outcome);
    }
    let layers: BTreeMap<&str, &str> = layers.into_iter().map(|(layer, outcome)| (layer, outcome.name())).collect();
    let verdict = report.verdict().name();
    if verdict == "failed" { json!([verdict, null]) } else { json!([verdict, layers]) }
}

const TO_BYTES: &str = "const bytes = Uint8Array.from(atob(argument.file), (letter) => letter.charCodeAt(0));";

async fn said_there(browser: &Client, assets: &str, bytes: &[u8]) -> Value {
    let work = format!(
        "const {{ verify }} = await import(argument.assets + '/wattproof/verify.js'); {TO_BYTES} \
         const {{ verdict, findings }} = await verify(bytes); \
         return [verdict, verdict === 'failed' ? null : Object.fromEntries(findings.map((one) => [one.layer, one.outcome]))];"
    );
    promised(browser, &work, json!({ "assets": assets, "file": base64(bytes) })).await
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = char::from(LETTERS[(bits >> (18 - 6 * place)) as usize & 63]);
            text.push(if place <= group.len() { letter } else { '=' });
        }
    }
    text
}

/// A node that serves the assets, a browser on it, and the assets' address.
async fn terminal(driver: &Driver) -> (World, Client, String) {
    let world = World::closing_in(Millis::from_minutes(60));
    let browser = driver.browser(1280, 900, false).await;
    browser.goto(&format!("{}/verify?lang=en", world.url)).await.unwrap();
    let style = super::value(&browser, "document.querySelector('link[rel=stylesheet]').href").await;
    let assets = style.as_str().unwrap().trim_end_matches("/style.css").to_owned();
    (world, browser, assets)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_browser_s_verifier_says_of_every_export_what_the_program_says() {
    let driver = Driver::start().await;
    let (_world, browser, assets) = terminal(&driver).await;
    let files = exports();
    assert!(files.len() > 400, "{} exports", files.len());
    let mut differing = Vec::new();
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        let (here, there) = (said_here(&bytes), said_there(&browser, &assets, &bytes).await);
        if here != there {
            differing.push(format!("{}: here {here}, in the browser {there}", file.display()));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    browser.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_of_a_bill_is_noticed_in_the_browser_as_in_the_program() {
    let driver = Driver::start().await;
    let (_world, browser, assets) = terminal(&driver).await;
    let file = exports().into_iter().find(|file| file.ends_with("bills/july.1.bill")).unwrap();
    let bytes = std::fs::read(file).unwrap();
    let step = if std::env::var_os("WATTPROOF_LONG").is_some() { 1 } else { bytes.len().div_ceil(FLIPS) };
    let places: Vec<usize> = (0..bytes.len()).step_by(step).collect();
    let work = format!(
        "const {{ verify }} = await import(argument.assets + '/wattproof/verify.js'); {TO_BYTES} const accepted = []; \
         for (const at of argument.places) {{ \
           const bit = 1 << at % 8; bytes[at] ^= bit; \
           if ((await verify(bytes)).verdict !== 'failed') accepted.push(at); bytes[at] ^= bit; }} \
         return [(await verify(bytes)).verdict, accepted];"
    );
    // In slices, since a WebDriver ends a script that takes longer than half a minute.
    for places in places.chunks(FLIPS) {
        let argument = json!({ "assets": assets, "file": base64(&bytes), "places": places });
        assert_eq!(promised(&browser, &work, argument).await, json!(["origin_unknown", []]));
        // What is said here of the same copies.
        for at in places {
            let mut changed = bytes.clone();
            changed[*at] ^= 1 << (at % 8);
            assert_eq!(said_here(&changed), json!(["failed", null]), "byte {at}");
        }
    }
    browser.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_browser_signs_verifies_here_and_key_files_go_both_ways_for_all_three_kinds() {
    let driver = Driver::start().await;
    let (world, browser, assets) = terminal(&driver).await;
    for kind in ["ed25519", "p256", "rsa"] {
        // Several signatures, since every other one of ECDSA has the higher s, which the protocol refuses.
        let work = "const [keyring, statement, bytes] = await Promise.all(['terminal/keyring.js', 'wattproof/statement.js', \
             'wattproof/bytes.js'].map((name) => import(argument.assets + '/' + name))); \
             const entry = await keyring.make(argument.kind, 'test'); const made = []; \
             for (let count = 0; count < 8; count++) { \
               const drafted = statement.draft({ account: entry.account, algorithm: keyring.algorithmOf(entry), \
                 ledger: '11'.repeat(32), nonce: crypto.getRandomValues(new Uint8Array(16)), issued: 5n, expires: 6n, \
                 acts: [statement.act.transfer('22'.repeat(32), 20000000n, 24318)] }); \
               const signature = await keyring.sign(entry, drafted.signedBytes); \
               made.push([drafted.id, bytes.hex(statement.submission(drafted, signature))]); } \
             return { made, cose: bytes.hex(entry.cose), plain: await keyring.copyOf(entry, ''), \
               sealed: await keyring.copyOf(entry, 'a passphrase'), open: await keyring.publicFile(entry) };";
        let made = promised(&browser, work, json!({ "assets": assets, "kind": kind })).await;
        let key: PublicKey = ledger::cbor::decode(&unhex(made["cose"].as_str().unwrap())).unwrap();
        for one in made["made"].as_array().unwrap() {
            let submission = unhex(one[1].as_str().unwrap());
            let (statement, _) = SignedStatement::from_submission(&submission).unwrap();
            assert_eq!(statement.id().to_string(), one[0].as_str().unwrap(), "{kind}");
            statement.verify(&key).unwrap();
            let mut changed = submission.clone();
            let last = changed.len() - 1;
            changed[last] ^= 1;
            let verified =
                SignedStatement::from_submission(&changed).map(|(statement, _)| statement.verify(&key).is_ok());
            assert_ne!(verified, Ok(true), "{kind}: a changed signature");
        }
        files_go_both_ways(&world, &browser, &assets, kind, &made).await;
    }
    browser.close().await.unwrap();
}

/// The program reads what the browser saved, and the browser what the program made.
async fn files_go_both_ways(world: &World, browser: &Client, assets: &str, kind: &str, made: &Value) {
    std::fs::write(world.path().join("passphrase"), "a passphrase").unwrap();
    for form in ["plain", "sealed", "open"] {
        let name = format!("{kind}-{form}.pem");
        std::fs::write(world.path().join(&name), made[form].as_str().unwrap()).unwrap();
        let shown = world.run(&["key", "show", "--json", "--passphrase-file", "passphrase", &name]).json();
        assert_eq!(shown["public_key"], made["cose"], "{kind} {form}");
    }
    let file = format!("{kind}-here.key");
    let kind = if kind == "rsa" { "rsa-2048" } else { kind };
    let said = world.run(&["key", "new", "--plain", "--kind", kind, &file]);
    assert_eq!(said.code, 0, "{said:?}");
    let account = world.run(&["key", "show", "--json", &file]).json()["account"].clone();
    let work = format!(
        "const keyring = await import(argument.assets + '/terminal/keyring.js'); \
         const keys = await import(argument.assets + '/wattproof/keys.js'); {TO_BYTES} \
         return keys.printed((await keyring.takeOver(bytes, '', 'test')).entry.account);"
    );
    let pem = std::fs::read(world.path().join(&file)).unwrap();
    assert_eq!(promised(browser, &work, json!({ "assets": assets, "file": base64(&pem) })).await, account);
}

fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// Frames of every shipped model, as a simulated meter sends them, with the counter that the program reads in them.
fn frames_of_all_models() -> Vec<(&'static str, Value, Option<String>)> {
    let mut found = Vec::new();
    for (place, name) in (0..).zip(Profile::shipped_names()) {
        let profile = Arc::new(Profile::shipped(name).unwrap());
        let start = Timestamp::from_ms(1_782_835_200_000);
        let counter_start = Energy::from_wh(1_234_567 + 98_765 * place);
        let frequency = Frequency::from_mhz(60_000);
        let options = Options { start, offset_minutes: 0, nominal_voltage: None, frequency, counter_start };
        let simulated =
            SimulatedMeter::new(profile.clone(), Address::FIRST, Arc::new(Replay::excerpt().unwrap()), options);
        for minutes in [1, 61, 997] {
            let time = start + Millis::from_minutes(minutes);
            let exchange = |request: &meter::Request| {
                let response = simulated.respond(time, &request.frame())?;
                Some(meter::Exchange { request: request.frame(), response })
            };
            let exchanges: Option<Vec<_>> = profile.requests(Address::FIRST).iter().map(exchange).collect();
            let Some(exchanges) = exchanges else { continue };
            let Ok(reading) = profile.reading(Address::FIRST, &exchanges) else { continue };
            let counter = reading.energy_import().map(|energy| energy.mwh().to_string());
            let pairs = exchanges.iter().map(|one| [base64(&one.request), base64(&one.response)]).collect::<Vec<_>>();
            found.push((name, json!(pairs), counter));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meter_s_own_bytes_give_the_browser_the_counter_that_they_give_the_program() {
    let driver = Driver::start().await;
    let (_world, browser, assets) = terminal(&driver).await;
    let frames = frames_of_all_models();
    let work = "const { counterOf } = await import(argument.assets + '/wattproof/frames.js'); \
         const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)); \
         return argument.frames.map(([profile, pairs]) => counterOf(profile, [0n, pairs.map((pair) => pair.map(bytes))])?.toString() ?? null);";
    let asked: Vec<_> = frames.iter().map(|(name, pairs, _)| json!([name, pairs])).collect();
    let said = promised(&browser, work, json!({ "assets": assets, "frames": asked })).await;
    let mut read = std::collections::BTreeSet::new();
    for ((name, _, counter), said) in frames.iter().zip(said.as_array().unwrap()) {
        // Of what it does not read, the browser says that it does not know.
        assert!(said.is_null() || said.as_str() == counter.as_deref(), "{name}: {said}, here {counter:?}");
        read.extend(said.as_str().map(|_| *name));
    }
    assert_eq!(read.len(), 12, "every Modbus model with a counter: {read:?}");
    browser.close().await.unwrap();
}
