//! Style sheet, scripts and pictures, part of the program. Their address holds a fingerprint of all of them, so that a
//! browser keeps them for good and still never shows an old one.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::Embed;
use std::fmt::Write as _;
use std::sync::LazyLock;

#[derive(Embed)]
#[folder = "assets/"]
struct Assets;

/// Where the assets are: `/assets/` and twelve hexadecimal digits.
pub(crate) fn base() -> &'static str {
    static BASE: LazyLock<String> = LazyLock::new(|| format!("/assets/{}", fingerprint()));
    &BASE
}

/// First six bytes of the sum of all files' SHA-256: any changed file changes it.
fn fingerprint() -> String {
    let mut sum = [0_u8; 6];
    for file in Assets::iter().filter_map(|name| Assets::get(&name)) {
        for (byte, part) in sum.iter_mut().zip(file.metadata.sha256_hash()) {
            *byte = byte.wrapping_add(part);
        }
    }
    sum.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of an asset.
pub(crate) fn get(name: &str) -> Option<Vec<u8>> {
    Assets::get(name).map(|file| file.data.into_owned())
}

/// `GET /assets/{fingerprint}/{*name}`.
pub(crate) async fn serve(Path((found, name)): Path<(String, String)>) -> Response {
    let Some(file) = Assets::get(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // Under an old fingerprint the present file is still better than none, but nobody may keep it.
    let is_current = base().ends_with(&found);
    let keep = if is_current { "public, max-age=31536000, immutable" } else { "no-store" };
    ([(header::CONTENT_TYPE, media_type(&name)), (header::CACHE_CONTROL, keep)], file.data).into_response()
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}
