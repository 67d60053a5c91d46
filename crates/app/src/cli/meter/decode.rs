//! `wattproof meter decode`: what captured bytes say, through the same checks as live ones.

use super::args::DecodeArgs;
use super::{profile, show_reading};
use crate::cli::Trouble;
use crate::cli::terminal::hex;
use crate::hex::from_hex;
use meter::{Exchange, Request};
use std::process::ExitCode;

pub(super) fn decode(args: &DecodeArgs) -> Result<ExitCode, Trouble> {
    let profile = profile(&args.profile, args.profiles.as_deref())?;
    let answers: Vec<Vec<u8>> = args.answer.iter().map(|text| bytes(text)).collect::<Result<_, _>>()?;
    let asked: Vec<Vec<u8>> = args.request.iter().map(|text| bytes(text)).collect::<Result<_, _>>()?;
    // The address that was asked counts: an answer from another one is refused.
    let first = Exchange {
        request: asked.first().cloned().unwrap_or_default(),
        response: answers.first().cloned().unwrap_or_default(),
    };
    let address = profile.address_in(&[first]).ok_or_else(|| {
        Trouble::environment(
            "these bytes name no meter's address",
            "give whole frames of this model, check bytes included",
        )
    })?;
    let requests =
        if asked.is_empty() { profile.requests(address).iter().map(Request::frame).collect() } else { asked };
    if requests.len() != answers.len() {
        let what = format!("{} answers for {} requests", answers.len(), requests.len());
        return Err(Trouble::environment(what, "give one answer for each read of the profile, in order"));
    }
    let exchange = |(request, response)| Exchange { request, response };
    let exchanges: Vec<Exchange> = requests.into_iter().zip(answers).map(exchange).collect();
    match profile.reading(address, &exchanges) {
        Ok(reading) => {
            show_reading(&reading.with_derived_powers(), args.json);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            let answers: Vec<String> = exchanges.iter().map(|exchange| hex(&exchange.response)).collect();
            Err(Trouble::refused(error, format_args!("no reading was taken from {}", answers.join(" "))))
        }
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, Trouble> {
    from_hex(text).ok_or_else(|| {
        let what = format!("`{text}` is not bytes in hexadecimal digits");
        Trouble::environment(what, "give two digits a byte, such as \"01 04 14 09 31\" or 0104140931")
    })
}
