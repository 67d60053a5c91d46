//! Flags of what is asked of a node.

use crate::cli::{Asking, SpanArgs};
use clap::Args;
use units::{Month, StatementId};

#[derive(Debug, Args)]
pub(in crate::cli) struct StatusArgs {
    #[command(flatten)]
    pub(in crate::cli) asking: Asking,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    /// How many at most.
    #[arg(long, default_value_t = api::PAGE_ITEMS_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(in crate::cli) limit: u32,
    /// `next` of the page before.
    #[arg(long)]
    pub(in crate::cli) cursor: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) asking: Asking,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ClaimsArgs {
    /// Account id or name: show what it may claim, besides the claims.
    #[arg(long)]
    pub(in crate::cli) account: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) list: ListArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AccountArgs {
    /// Account id, name, or `operator`.
    pub(in crate::cli) account: String,
    /// A month.
    pub(in crate::cli) month: Option<Month>,
    #[command(flatten)]
    pub(in crate::cli) asking: Asking,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BlockArgs {
    /// Number or hash.
    pub(in crate::cli) block: String,
    #[command(flatten)]
    pub(in crate::cli) asking: Asking,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct StatementArgs {
    /// Its id.
    pub(in crate::cli) id: StatementId,
    #[command(flatten)]
    pub(in crate::cli) asking: Asking,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BillArgs {
    /// Account id or name.
    pub(in crate::cli) account: String,
    #[command(flatten)]
    pub(in crate::cli) span: SpanArgs,
    #[command(flatten)]
    pub(in crate::cli) asking: Asking,
}
