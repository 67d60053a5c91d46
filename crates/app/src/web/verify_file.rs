//! `GET /verify.html`: the browser's verifier as one file that works from a disk, without the server and without a
//! network. Its scripts are those of the page `/verify`, each module wrapped into a function of its own, so that there is
//! one source and no build step.

use super::assets;
use super::failure::Failure;
use super::frame::Reader;
use super::i18n::{Lang, Texts};
use super::pages::VerifyPart;
use askama::Template;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// The module that the page loads.
const ENTRY: &str = "verify.js";

#[derive(Template)]
#[template(path = "verify_file.html", escape = "html")]
struct VerifyFile<'a> {
    t: Texts,
    part: VerifyPart,
    style: &'a str,
    script: &'a str,
    policy: String,
}

/// `GET /verify.html`, to be saved.
pub(crate) async fn download(reader: Reader) -> Result<Response, Failure> {
    let html = file(reader.lang).map_err(|error| Failure::internal(&error))?;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"verify.html\""),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    Ok((headers, html).into_response())
}

fn file(lang: Lang) -> Result<String, String> {
    let script = bundle(ENTRY)?;
    let style = text_of("style.css")?;
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; form-action 'none'",
        source_hash(&script),
        source_hash(&style)
    );
    let t = Texts::of(lang);
    let page = VerifyFile { t, part: VerifyPart::both_languages(t), style: &style, script: &script, policy };
    page.render().map_err(|error| error.to_string())
}

/// What a policy names an inline script by (CSP Level 3, 2.3.1 `hash-source`).
fn source_hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text.as_bytes())))
}

fn text_of(path: &str) -> Result<String, String> {
    let bytes = assets::get(path).ok_or_else(|| format!("there is no asset `{path}`"))?;
    String::from_utf8(bytes).map_err(|_| format!("the asset `{path}` is no text"))
}

/// A module and all that it imports as one script.
fn bundle(entry: &str) -> Result<String, String> {
    let mut bundle = Bundle { done: BTreeSet::new(), script: "\"use strict\";\nconst modules = {};\n".to_owned() };
    bundle.add(entry)?;
    // What would end the element early is written in another way; the text stays the same to the script.
    Ok(bundle.script.replace("</script", "<\\/script"))
}

struct Bundle {
    done: BTreeSet<String>,
    script: String,
}

impl Bundle {
    fn add(&mut self, path: &str) -> Result<(), String> {
        if !self.done.insert(path.to_owned()) {
            return Ok(());
        }
        let (mut body, mut exported) = (String::new(), Vec::new());
        for line in text_of(path)?.lines() {
            if let Some(import) = line.strip_prefix("import ") {
                let (names, from) =
                    read_import(import).ok_or_else(|| format!("{path}: `{line}` cannot be taken over"))?;
                let from = resolve(path, from);
                self.add(&from)?;
                body += &format!("const {names} = modules[\"{from}\"];\n");
            } else if let Some(rest) = line.strip_prefix("export ") {
                exported.extend(declared(rest).ok_or_else(|| format!("{path}: `{line}` cannot be taken over"))?);
                body += &format!("{rest}\n");
            } else {
                body += &format!("{line}\n");
            }
        }
        let names = exported.join(", ");
        self.script += &format!("modules[\"{path}\"] = (() => {{\n{body}return {{ {names} }};\n}})();\n");
        Ok(())
    }
}

/// `{ a, b as c } from "./d.js";` or `* as e from "./d.js";` as a pattern and an address.
fn read_import(import: &str) -> Option<(String, &str)> {
    let (names, from) = import.split_once(" from \"")?;
    let from = from.strip_suffix("\";")?;
    let names = match names.strip_prefix("* as ") {
        Some(name) => name.to_owned(),
        None => names.replace(" as ", ": "),
    };
    Some((names, from))
}

/// The names that `const a`, `const [a, b]`, `function a`, `async function a` or `class A` declares.
fn declared(declaration: &str) -> Option<Vec<String>> {
    let rest = ["const ", "async function ", "function ", "class "]
        .iter()
        .find_map(|keyword| declaration.strip_prefix(keyword))?;
    if let Some(list) = rest.strip_prefix('[') {
        return Some(list.split_once(']')?.0.split(", ").map(str::to_owned).collect());
    }
    let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then(|| vec![name])
}

/// An address relative to a module's own.
fn resolve(from: &str, address: &str) -> String {
    let mut folders: Vec<&str> = from.split('/').collect();
    folders.pop();
    for part in address.split('/') {
        match part {
            "." => {}
            ".." => drop(folders.pop()),
            name => folders.push(name),
        }
    }
    folders.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_is_taken_over_once_and_before_it_is_needed() {
        let script = bundle(ENTRY).unwrap();
        assert!(!script.contains("\nimport ") && !script.contains("\nexport "), "a line was left as it was");
        let place = |module: &str| script.find(&format!("modules[\"{module}\"] = ")).unwrap();
        assert!(
            place("wattproof/cbor.js") < place("wattproof/verify.js") && place("wattproof/verify.js") < place(ENTRY)
        );
        assert_eq!(script.matches("modules[\"wattproof/cbor.js\"] = ").count(), 1);
    }

    #[test]
    fn declarations_and_imports_are_understood_or_refused() {
        for (line, names) in [
            ("const A = 1;", Some(vec!["A"])),
            ("const [A, B] = C;", Some(vec!["A", "B"])),
            ("async function run() {", Some(vec!["run"])),
            ("class Key {", Some(vec!["Key"])),
            ("default run;", None),
            ("{ A };", None),
        ] {
            let names = names.map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(declared(line), names, "{line}");
        }
        let (a, b) = ("./a.js", "../b.js");
        assert_eq!(read_import("{ x, y as z } from \"./a.js\";"), Some(("{ x, y: z }".to_owned(), a)));
        assert_eq!(read_import("* as e from \"../b.js\";"), Some(("e".to_owned(), b)));
        assert_eq!(read_import("\"./a.js\";"), None);
        assert_eq!(resolve("wattproof/ledger/replay.js", "../cbor.js"), "wattproof/cbor.js");
        assert_eq!(resolve("verify.js", "./wattproof/verify.js"), "wattproof/verify.js");
    }

    #[test]
    fn the_file_names_its_script_and_style_by_their_hashes_and_loads_nothing() {
        for lang in Lang::ALL {
            let html = file(lang).unwrap();
            let script = html.split_once("<script type=\"module\">").unwrap().1.split_once("</script>").unwrap().0;
            let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
            assert!(html.contains(&source_hash(script)) && html.contains(&source_hash(style)));
            assert!(!html.contains("src=\"") && !html.contains("<link"), "it loads something");
        }
    }
}
