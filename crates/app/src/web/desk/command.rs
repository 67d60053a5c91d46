//! The same acts as commands, for an operator whose key lies elsewhere.

use ledger::act::{Act, Decision, Parameter, Register, Retire, Tariff};
use ledger::price::Table;
use node::view::{key_hex, role_name};

/// The command that signs an act; `None` for one that the desk does not make.
pub(super) fn command(act: &Act, node: &str) -> Option<String> {
    let arguments = match act {
        Act::Register(Register::Key(register)) => {
            format!("register key {} {}", key_hex(&register.key), role_name(register.role))
        }
        Act::Register(Register::Meter(register)) => {
            let whose = if register.main { "--main".to_owned() } else { format!("--member {}", register.member) };
            let factor = if register.factor == 1 { String::new() } else { format!(" --factor {}", register.factor) };
            let (meter, signer, profile) = (&register.meter, register.signer, &register.profile);
            format!("register meter {meter} --signer {signer} {whose} --profile {profile}{factor}")
        }
        Act::Contract(contract) => {
            let energy = contract.energy.to_string();
            format!("contract {} {} {}", contract.account, contract.month, energy.trim_end_matches(" kWh"))
        }
        Act::Revoke(revoke) => format!("revoke {}", revoke.account),
        Act::Retire(Retire::Role(end)) => format!("retire role {} {}", end.account, role_name(end.role)),
        Act::Retire(Retire::Meter(end)) => format!("retire meter {}", end.meter),
        Act::Tariff(tariff) => tariff_arguments(tariff),
        Act::Answer(answer) => {
            let decision = if answer.decision == Decision::Accepted { "accepted" } else { "declined" };
            format!("answer {}#{} {decision} {}", answer.claim.statement, answer.claim.act, quoted(&answer.text))
        }
        Act::Parameter(Parameter::Level(new)) => format!("parameter level {} --height {}", new.level, new.height),
        _ => return None,
    };
    Some(format!("wattproof submit --node {node} --key operator.key {arguments}"))
}

fn tariff_arguments(tariff: &Tariff) -> String {
    let Table::Flat(price) = &tariff.table else { return format!("tariff {} --file prices.toml", tariff.from) };
    match (price.other, price.summer) {
        (Some(price), None) => {
            let excess = tariff.excess_price.map(|price| format!(" --excess-price {price}")).unwrap_or_default();
            format!("tariff {} --price {price}{excess} --round-to {}", tariff.from, tariff.round_to)
        }
        _ => format!("tariff {} --file prices.toml", tariff.from),
    }
}

/// One word for a POSIX shell, whatever stands in it (POSIX.1-2024, Shell Command Language 2.2.2).
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_word_of_the_shell() {
        for (text, word) in [("it's", "'it'\\''s'"), ("$(reboot)", "'$(reboot)'"), ("", "''")] {
            assert_eq!(quoted(text), word);
        }
    }
}
